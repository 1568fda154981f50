package protocol

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

var (
	// ErrSilent means that the stream ended where an answer had to begin.
	ErrSilent = errors.New("the server ended the connection without an answer")
	// ErrNotGit means that what came is not Git's protocol.
	ErrNotGit = errors.New("the answer is not that of a Git server")
	// ErrTooMany means that more references match than [MaxKept] holds.
	ErrTooMany = errors.New("too many references match")
	// ErrTooLong means that what comes before the references or the pack is longer than any
	// server has reason to make it.
	ErrTooLong = errors.New("the server's answer is too long")
	// ErrSHA256 means that the repo has SHA-256 object names.
	ErrSHA256 = errors.New("the repo uses SHA-256 object names (object-format=sha256)")
)

// Refusal is what a server says instead of an answer.
type Refusal struct {
	// Text are the server's words, as they came.
	Text string
}

// Error implements error.
func (r *Refusal) Error() string { return "the server refuses: " + r.Text }

// kind is what a packet is.
type kind int

const (
	data kind = iota
	flush
	delimiter
	// end is the end of the stream, between two packets.
	end
)

// maxPacket is the length of the longest packet, its own four digits included.
const maxPacket = 65520

// Reader reads packets. It reads ahead: only one Reader may read a stream.
type Reader struct {
	in     *bufio.Reader
	packet [maxPacket]byte
	// begun says that something came.
	begun bool
}

// NewReader returns a reader of a stream.
func NewReader(stream io.Reader) *Reader { return &Reader{in: bufio.NewReader(stream)} }

// next returns the next packet, whose content is valid until the one after it is read.
func (r *Reader) next() (kind, []byte, error) {
	head := r.packet[:4]
	if n, err := io.ReadFull(r.in, head); err != nil {
		if n == 0 && errors.Is(err, io.EOF) {
			return end, nil, nil
		}
		return end, nil, cut(err)
	}
	r.begun = true
	length, err := strconv.ParseUint(string(head), 16, 16)
	if err != nil {
		return end, nil, fmt.Errorf("%w: it has %q where the length of a packet belongs", ErrNotGit, head)
	}
	switch {
	case length == 0:
		return flush, nil, nil
	case length == 1:
		return delimiter, nil, nil
	case length == 2: // the end of a response, which stateless servers may say
		return flush, nil, nil
	case length < 4 || length > maxPacket:
		return end, nil, fmt.Errorf("%w: a packet has the length %d", ErrNotGit, length)
	}
	content := r.packet[:length-4]
	if _, err := io.ReadFull(r.in, content); err != nil {
		return end, nil, cut(err)
	}
	if text, ok := bytes.CutPrefix(content, []byte("ERR ")); ok {
		return end, nil, &Refusal{strings.TrimSpace(string(text))}
	}
	return data, content, nil
}

// line returns the next packet as text, without the end of the line.
func (r *Reader) line() (kind, string, error) {
	k, content, err := r.next()
	return k, strings.TrimSuffix(string(content), "\n"), err
}

// must is line where the stream must not end.
func (r *Reader) must() (kind, string, error) {
	k, text, err := r.line()
	if err == nil && k == end {
		if !r.begun {
			return k, "", ErrSilent
		}
		return k, "", cut(io.EOF)
	}
	return k, text, err
}

// cut makes an end in the middle one that is not mistaken for the end of all.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// request builds packets.
type request struct{ bytes.Buffer }

func (r *request) add(format string, args ...any) {
	text := fmt.Sprintf(format, args...) + "\n"
	fmt.Fprintf(r, "%04x%s", len(text)+4, text)
}

func (r *request) flush() { r.WriteString("0000") }

func (r *request) delimit() { r.WriteString("0001") }
