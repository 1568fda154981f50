package pack

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
)

// maxInMemory is how large the content of an object may be that is held in memory while
// deltas are applied to it, and maxHeld how much is held so at a time. More goes to the disk.
const (
	maxInMemory = 4 << 20
	maxHeld     = 12 << 20
)

// content is an object that deltas are applied to.
type content struct {
	*meter
	kind Kind
	size int64
	// memory or file holds it.
	memory []byte
	file   *os.File
	buffer *bufio.Writer
}

// newContent makes room for an object, in memory or in a directory. The file there has no
// name, so that nothing is left of it whatever happens.
func newContent(m *meter, dir string, kind Kind, size int64) (*content, error) {
	c := &content{meter: m, kind: kind, size: size}
	if size <= maxInMemory && m.held+size <= maxHeld {
		c.memory = make([]byte, 0, size)
		m.hold(size)
		return c, nil
	}
	file, err := os.CreateTemp(dir, "tmp_base_")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(file.Name()); err != nil {
		_ = file.Close()
		return nil, err
	}
	c.file, c.buffer = file, bufio.NewWriterSize(file, 64<<10)
	return c, nil
}

// Write implements io.Writer.
func (c *content) Write(p []byte) (int, error) {
	if c.file != nil {
		return c.buffer.Write(p)
	}
	c.memory = append(c.memory, p...)
	return len(p), nil
}

// written ends the writing.
func (c *content) written() error {
	if c.file == nil {
		return nil
	}
	err := c.buffer.Flush()
	c.buffer = nil
	return err
}

// free lets go of what holds the content.
func (c *content) free() error {
	if c.file != nil {
		return c.file.Close()
	}
	c.hold(-c.size)
	c.memory = nil
	return nil
}

// copyTo writes a part, which is within the content.
func (c *content) copyTo(to io.Writer, offset, size int64, chunk []byte) error {
	if c.file == nil {
		_, err := to.Write(c.memory[offset : offset+size])
		return err
	}
	for size > 0 {
		part := chunk[:min(size, int64(len(chunk)))]
		if _, err := c.file.ReadAt(part, offset); err != nil {
			return err
		}
		if _, err := to.Write(part); err != nil {
			return err
		}
		offset += int64(len(part))
		size -= int64(len(part))
	}
	return nil
}

// step is one instruction of a delta: a part of the base, or that many bytes that follow.
type step struct {
	offset, size int64
	insert       bool
}

// readStep reads an instruction. At the end of the delta it returns io.EOF.
func readStep(delta io.ByteReader) (step, error) {
	command, err := delta.ReadByte()
	if err != nil {
		return step{}, err
	}
	if command == 0 {
		return step{}, fmt.Errorf("%w: a delta with a step of no kind", ErrBroken)
	}
	if command&0x80 == 0 {
		return step{size: int64(command), insert: true}, nil
	}
	var s step
	for bit := range 7 {
		if command&(1<<bit) == 0 {
			continue
		}
		b, err := delta.ReadByte()
		if err != nil {
			return s, broken(err)
		}
		if bit < 4 {
			s.offset |= int64(b) << (8 * bit)
		} else {
			s.size |= int64(b) << (8 * (bit - 4))
		}
	}
	if s.size == 0 {
		s.size = 1 << 16
	}
	return s, nil
}

// apply writes what a delta makes of a base. Its sizes were read before.
func apply(base *content, delta *bufio.Reader, target int64, to io.Writer, chunk []byte) error {
	m, made := base.meter, int64(0)
	for {
		s, err := readStep(delta)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return broken(err)
		}
		m.Steps++
		if made += s.size; made > target {
			return fmt.Errorf("%w: a delta makes more than it says", ErrBroken)
		}
		cost := s.size + stepCost
		if base.file != nil && !s.insert {
			cost += seekCost
		}
		if err := m.unpack(cost); err != nil {
			return err
		}
		switch {
		case s.insert:
			_, err = io.ReadFull(delta, chunk[:s.size])
			if err = broken(err); err == nil {
				_, err = to.Write(chunk[:s.size])
			}
		case s.offset+s.size > base.size:
			err = fmt.Errorf("%w: a delta copies from beyond its base", ErrBroken)
		default:
			err = base.copyTo(to, s.offset, s.size, chunk)
		}
		if err != nil {
			return err
		}
	}
	if made != target {
		return fmt.Errorf("%w: a delta makes %d bytes instead of %d", ErrBroken, made, target)
	}
	return nil
}
