package pack

import (
	"bytes"
	"compress/zlib"
	"crypto"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"

	githash "github.com/go-git/go-git/v5/plumbing/hash"
)

// Kind is what an object is.
type Kind byte

// The kinds of objects; an entry of a pack is one, or a delta of one.
const (
	Commit Kind = 1
	Tree   Kind = 2
	Blob   Kind = 3
	Tag    Kind = 4

	offsetDelta Kind = 6
	nameDelta   Kind = 7
)

// String returns Git's word for it.
func (k Kind) String() string {
	switch k {
	case Commit:
		return "commit"
	case Tree:
		return "tree"
	case Blob:
		return "blob"
	case Tag:
		return "tag"
	case offsetDelta, nameDelta:
		return "delta"
	}
	return fmt.Sprintf("object of type %d", byte(k))
}

// Name is Git's name for an object.
type Name [20]byte

// newSum is SHA-1 that notices collisions which were made on purpose.
func newSum() hash.Hash { return githash.New(crypto.SHA1) }

// newNamer begins to name an object.
func newNamer(k Kind, size int64) hash.Hash {
	h := newSum()
	_, _ = fmt.Fprintf(h, "%s %d\x00", k, size) // a hash does not fail
	return h
}

// source is a pack as it comes in. It is read byte by byte by what decompresses, so that
// nothing is read that belongs to the next object.
type source struct {
	*meter
	from io.Reader
	// copy gets all that is read, when it is set.
	copy io.Writer

	buffer   []byte
	summed   int
	pos, end int
	// before is how much was read before the buffer.
	before int64
	sum    hash.Hash
	crc    hash.Hash32
	zip    io.ReadCloser
	chunk  []byte
}

func newSource(m *meter, from io.Reader, copied io.Writer) *source {
	return &source{meter: m, from: from, copy: copied, buffer: make([]byte, 64<<10), sum: newSum(), crc: crc32.NewIEEE(), chunk: make([]byte, 32<<10)}
}

// offset is how much of the pack was consumed.
func (s *source) offset() int64 { return s.before + int64(s.pos) }

// settle sums up what was consumed.
func (s *source) settle() {
	consumed := s.buffer[s.summed:s.pos]
	_, _ = s.sum.Write(consumed)
	_, _ = s.crc.Write(consumed)
	s.summed = s.pos
}

// fill reads more when all was consumed. At the end it returns io.EOF.
func (s *source) fill() error {
	if s.pos < s.end {
		return nil
	}
	if err := s.ctx.Err(); err != nil {
		return &sourceError{err}
	}
	s.settle()
	s.before += int64(s.end)
	s.pos, s.summed, s.end = 0, 0, 0
	n, err := io.ReadAtLeast(s.from, s.buffer, 1)
	switch {
	case errors.Is(err, io.EOF):
		return io.EOF
	case err != nil:
		return &sourceError{err}
	}
	s.end = n
	s.Packed += int64(n)
	if s.copy == nil {
		return nil
	}
	if _, err := s.copy.Write(s.buffer[:n]); err != nil {
		return &sourceError{err}
	}
	return nil
}

// ReadByte implements io.ByteReader.
func (s *source) ReadByte() (byte, error) {
	if err := s.fill(); err != nil {
		return 0, err
	}
	b := s.buffer[s.pos]
	s.pos++
	return b, nil
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	if err := s.fill(); err != nil {
		return 0, err
	}
	n := copy(p, s.buffer[s.pos:s.end])
	s.pos += n
	return n, nil
}

// begin reads the header of the pack, and returns how many objects follow.
func (s *source) begin() (int64, error) {
	var header [12]byte
	n, err := io.ReadFull(s, header[:])
	switch {
	case n == 0 && errors.Is(err, io.EOF):
		return 0, ErrEmpty
	case err != nil:
		return 0, broken(err)
	case !bytes.Equal(header[:4], []byte("PACK")):
		return 0, fmt.Errorf("%w: malformed pack file signature", ErrBroken)
	}
	if version := binary.BigEndian.Uint32(header[4:]); version != 2 {
		return 0, fmt.Errorf("%w: unsupported packfile version %d", ErrBroken, version)
	}
	count := int64(binary.BigEndian.Uint32(header[8:]))
	if count > s.budget.Objects {
		return 0, fmt.Errorf("the remote's pack is %w: it claims to have %d objects, and the limit is %d", ErrTooLarge, count, s.budget.Objects)
	}
	return count, nil
}

// finish reads the checksum of the pack, and returns it.
func (s *source) finish() (Name, error) {
	s.settle()
	want := Name(s.sum.Sum(nil))
	var got Name
	if _, err := io.ReadFull(s, got[:]); err != nil {
		return got, broken(err)
	}
	if got != want {
		return got, fmt.Errorf("%w: its checksum is another one", ErrBroken)
	}
	return got, nil
}

// header is what an entry says of itself.
type header struct {
	kind   Kind
	size   int64
	offset int64
	// base is where what a delta is applied to is in the pack, or its name.
	base   int64
	onName Name
}

// next reads the header of the next entry.
func (s *source) next() (header, error) {
	s.settle()
	s.crc.Reset()
	h := header{offset: s.offset()}
	b, err := s.ReadByte()
	if err != nil {
		return h, broken(err)
	}
	h.kind = Kind(b >> 4 & 7)
	size, shift := uint64(b&15), 4
	for b&0x80 != 0 {
		if b, err = s.ReadByte(); err != nil {
			return h, broken(err)
		}
		if shift > 53 {
			return h, fmt.Errorf("%w: the size of an object does not end", ErrBroken)
		}
		size |= uint64(b&0x7f) << shift
		shift += 7
	}
	if err := s.budget.check(h.kind, size); err != nil {
		return h, err
	}
	h.size = int64(size)
	switch h.kind {
	case Commit, Tree, Blob, Tag:
	case offsetDelta:
		err = s.readBase(&h)
	case nameDelta:
		_, err = io.ReadFull(s, h.onName[:])
		err = broken(err)
	default:
		err = fmt.Errorf("%w: there is no object of type %d", ErrBroken, byte(h.kind))
	}
	return h, err
}

// readBase reads how far before a delta its base is.
func (s *source) readBase(h *header) error {
	distance := int64(-1)
	for more := true; more; {
		b, err := s.ReadByte()
		if err != nil {
			return broken(err)
		}
		distance = (distance+1)<<7 | int64(b&0x7f)
		if distance > h.offset {
			break
		}
		more = b&0x80 != 0
	}
	if h.base = h.offset - distance; distance <= 0 || h.base <= 0 {
		return fmt.Errorf("%w: a delta of what is not before it", ErrBroken)
	}
	return nil
}

// content unpacks what follows a header into a writer.
func (s *source) content(h header, to io.Writer) error {
	zip, err := unzip(s.zip, s)
	if err != nil {
		return broken(err)
	}
	s.zip = zip
	return copyExactly(s.meter, to, zip, h.size, s.chunk)
}

// unzip reads what is compressed, with the reader that was used before.
func unzip(used io.ReadCloser, from io.Reader) (io.ReadCloser, error) {
	if again, ok := used.(zlib.Resetter); ok {
		return used, again.Reset(from, nil)
	}
	return zlib.NewReader(from)
}

// copyExactly copies all, which must be so many bytes. It counts them.
func copyExactly(m *meter, to io.Writer, from io.Reader, size int64, chunk []byte) error {
	done := int64(0)
	for {
		n, err := from.Read(chunk)
		if done += int64(n); done > size {
			return fmt.Errorf("%w: an object has more than its %d bytes", ErrBroken, size)
		}
		if err := m.unpack(int64(n)); err != nil {
			return err
		}
		if _, err := to.Write(chunk[:n]); err != nil {
			return err
		}
		switch {
		case errors.Is(err, io.EOF) && done < size:
			return fmt.Errorf("%w: an object has %d bytes instead of %d", ErrBroken, done, size)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return broken(err)
		}
	}
}

// sourceError is an error of where a pack comes from, or of where it is copied to: it says
// nothing about the pack.
type sourceError struct{ error }

// Unwrap returns the error itself.
func (e *sourceError) Unwrap() error { return e.error }

// broken says that the pack is broken, unless an error is one of its source.
func broken(err error) error {
	var source *sourceError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &source):
		return source.error
	case errors.Is(err, ErrBroken):
		return err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: it ends too early", ErrBroken)
	}
	return fmt.Errorf("%w: %w", ErrBroken, err)
}
