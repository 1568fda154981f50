package gitrepo

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/go-git/go-billy/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/storage"
	"github.com/go-git/go-git/v5/storage/filesystem"

	"github.com/gitsync/gitsync/internal/disk"
)

const (
	// maxObject bounds one object: it is held in memory. Forges take no file over
	// 100 MB.
	maxObject = 128 << 20
	// maxUnpacked bounds all objects of a pack together.
	maxUnpacked = 2 << 30
	// smallestEntry is how many bytes an object takes in a pack at least: a header and
	// an empty zlib stream.
	smallestEntry = 9
)

// errPack means that a remote sent a pack that is none.
var errPack = errors.New("the remote sent a broken pack")

// storePack puts a pack into a store. The pack is read here and not by the library's
// writer: that one parses in a goroutine of its own, where a panic ends the process; it
// reserves memory for as many objects as the pack claims to have; and it leaves its file
// behind, open, when the pack is broken.
func storePack(ctx context.Context, into storage.Storer, pack io.Reader) error {
	if disk, ok := into.(*filesystem.Storage); ok {
		return storeOnDisk(ctx, disk, pack)
	}
	data, err := io.ReadAll(pack)
	if err != nil {
		return err
	}
	source := interruptible{ctx, bytes.NewReader(data)}
	if err := checkPack(source, int64(len(data))); err != nil {
		return err
	}
	parser, err := packfile.NewParserWithStorage(packfile.NewScanner(source), into)
	if err != nil {
		return err
	}
	if _, err = parser.Parse(); err != nil {
		return fmt.Errorf("%w: %w", errPack, err)
	}
	return nil
}

func storeOnDisk(ctx context.Context, into *filesystem.Storage, pack io.Reader) (err error) {
	fs := into.Filesystem()
	dir := fs.Join("objects", "pack")
	file, err := fs.TempFile(dir, "tmp_pack_")
	if err != nil {
		return disk.Explain(fs.Root(), 0, err)
	}
	closed := false
	defer func() {
		if !closed {
			_ = file.Close()
		}
		// It is not there any more when all went well.
		if removeErr := fs.Remove(file.Name()); err == nil && !errors.Is(removeErr, os.ErrNotExist) {
			err = removeErr
		}
	}()
	size, err := io.Copy(&filling{Writer: file, dir: fs.Root()}, pack)
	if err != nil {
		return err
	}
	source := interruptible{ctx, file}
	if err := checkPack(source, size); err != nil {
		return err
	}
	index := new(idxfile.Writer)
	parser, err := packfile.NewParser(packfile.NewScanner(source), index)
	if err != nil {
		return err
	}
	checksum, err := parser.Parse()
	if err != nil {
		return fmt.Errorf("%w: %w", errPack, err)
	}
	closed = true
	if err := file.Close(); err != nil {
		return err
	}
	base := fs.Join(dir, "pack-"+checksum.String())
	// A pack is there when it ends in .pack, so its index comes first.
	if err := errors.Join(writeIndex(fs, dir, base+".idx", index), fs.Rename(file.Name(), base+".pack")); err != nil {
		return disk.Explain(fs.Root(), size, err)
	}
	return showPacks(into)
}

// filling writes to the disk. What goes wrong there is not confused with what goes wrong
// where the data comes from.
type filling struct {
	io.Writer
	dir     string
	written int64
}

// Write implements io.Writer.
func (f *filling) Write(p []byte) (int, error) {
	n, err := f.Writer.Write(p)
	f.written += int64(n)
	return n, disk.Explain(f.dir, f.written+int64(len(p)-n), err)
}

func writeIndex(fs billy.Filesystem, dir, name string, index *idxfile.Writer) error {
	content, err := index.Index()
	if err != nil {
		return err
	}
	file, err := fs.TempFile(dir, "tmp_idx_")
	if err != nil {
		return err
	}
	_, err = idxfile.NewEncoder(file).Encode(content)
	if err := errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, fs.Remove(file.Name()))
	}
	return fs.Rename(file.Name(), name)
}

// showPacks makes the library look for packs anew: it does before it writes one itself.
// The one here stays empty, and is gone when it is closed.
func showPacks(into *filesystem.Storage) error {
	writer, err := into.PackfileWriter()
	if err != nil {
		return err
	}
	into.Reindex()
	return writer.Close()
}

// checkPack reads a pack once, and says what is wrong with it before the library, which
// believes what the pack says about itself, holds its objects in memory. The source is
// at its beginning afterwards.
func checkPack(source io.ReadSeeker, size int64) error {
	if _, err := source.Seek(0, io.SeekStart); err != nil {
		return err
	}
	scanner := packfile.NewScanner(source)
	_, count, err := scanner.Header()
	if err != nil {
		return fmt.Errorf("%w: %w", errPack, err)
	}
	if int64(count) > size/smallestEntry {
		return fmt.Errorf("%w: it claims to have %d objects in %d bytes", errPack, count, size)
	}
	total := int64(0)
	for range count {
		unpacked, err := checkObject(scanner)
		if err != nil {
			return err
		}
		if total += unpacked; total > maxUnpacked {
			return fmt.Errorf("the objects of the remote's pack are %w: the limit is %d MiB", ErrTooLarge, maxUnpacked>>20)
		}
	}
	_, err = source.Seek(0, io.SeekStart)
	return err
}

// checkObject reads the next object, and returns how many bytes it has, unpacked.
func checkObject(scanner *packfile.Scanner) (int64, error) {
	header, err := scanner.NextObjectHeader()
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errPack, err)
	}
	size := header.Length
	if size < 0 || size > maxObject {
		return 0, tooLargeObject(uint64(size))
	}
	begin := &head{}
	written, _, err := scanner.NextObject(begin)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errPack, err)
	}
	if written != size {
		return 0, fmt.Errorf("%w: an object has %d bytes instead of %d", errPack, written, size)
	}
	switch header.Type {
	case plumbing.CommitObject, plumbing.TreeObject, plumbing.BlobObject, plumbing.TagObject:
		return size, nil
	case plumbing.OFSDeltaObject, plumbing.REFDeltaObject:
	default:
		return 0, fmt.Errorf("%w: there is no object of type %d", errPack, header.Type)
	}
	// A delta begins with the sizes of what it is applied to and of what comes of it.
	_, n := binary.Uvarint(begin.bytes)
	if n <= 0 {
		return 0, fmt.Errorf("%w: a delta without sizes", errPack)
	}
	target, n := binary.Uvarint(begin.bytes[n:])
	if n <= 0 {
		return 0, fmt.Errorf("%w: a delta without sizes", errPack)
	}
	if target > maxObject {
		return 0, tooLargeObject(target)
	}
	return size + int64(target), nil
}

func tooLargeObject(size uint64) error {
	return fmt.Errorf("an object of %d bytes in the remote's pack is %w: the limit is %d MiB", size, ErrTooLarge, maxObject>>20)
}

// head keeps the first bytes of what is written to it.
type head struct{ bytes []byte }

// Write implements io.Writer.
func (h *head) Write(p []byte) (int, error) {
	const enough = 2 * binary.MaxVarintLen64
	if missing := enough - len(h.bytes); missing > 0 {
		h.bytes = append(h.bytes, p[:min(missing, len(p))]...)
	}
	return len(p), nil
}

// interruptible is a source that ends with its context: deltas of deltas can make the
// library read for long.
type interruptible struct {
	ctx context.Context
	io.ReadSeeker
}

// Read implements io.Reader.
func (i interruptible) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.ReadSeeker.Read(p)
}
