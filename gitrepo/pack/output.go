package pack

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash"
	"hash/crc32"
	"io"
	"math"
	"os"
	"slices"
)

// output is a pack that is written.
type output struct {
	file   *os.File
	to     *bufio.Writer
	sum    hash.Hash
	crc    hash.Hash32
	offset int64
	zip    *zlib.Writer
}

// newOutput begins a pack of so many objects.
func newOutput(file *os.File, count int) (*output, error) {
	o := &output{file: file, to: bufio.NewWriterSize(file, 64<<10), sum: newSum(), crc: crc32.NewIEEE()}
	var err error
	if o.zip, err = zlib.NewWriterLevel(o, zlib.BestSpeed); err != nil {
		return nil, err
	}
	header := binary.BigEndian.AppendUint32([]byte("PACK"), 2)
	_, err = o.Write(binary.BigEndian.AppendUint32(header, uint32(count)))
	return o, err
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	n, err := o.to.Write(p)
	o.offset += int64(n)
	_, _ = o.sum.Write(p[:n])
	_, _ = o.crc.Write(p[:n])
	return n, err
}

func (o *output) flush() error { return o.to.Flush() }

// copyEntry writes an entry as it is, and returns where it begins.
func (o *output) copyEntry(from io.Reader, chunk []byte) (int64, error) {
	at := o.offset
	_, err := io.CopyBuffer(struct{ io.Writer }{o}, struct{ io.Reader }{from}, chunk)
	return at, err
}

// begin begins an object, and returns where, and what its content is written to.
func (o *output) begin(kind Kind, size int64) (int64, io.Writer) {
	at := o.offset
	o.crc.Reset()
	head := []byte{byte(kind)<<4 | byte(size&15)}
	for size >>= 4; size > 0; size >>= 7 {
		head[len(head)-1] |= 0x80
		head = append(head, byte(size&127))
	}
	// What is wrong with the file is said when it is flushed.
	_, _ = o.Write(head)
	o.zip.Reset(o)
	return at, o.zip
}

// end ends an object, and returns its checksum in the index.
func (o *output) end() (uint32, error) {
	err := o.zip.Close()
	return o.crc.Sum32(), err
}

// finish ends the pack, and returns its checksum.
func (o *output) finish() (Name, error) {
	sum := Name(o.sum.Sum(nil))
	if _, err := o.to.Write(sum[:]); err != nil {
		return sum, err
	}
	return sum, o.flush()
}

// writeIndex writes the index of a pack, in version 2.
func writeIndex(file io.Writer, entries []entry, at []int64, pack Name) error {
	order := make([]int32, len(entries))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int { return bytes.Compare(entries[a].name[:], entries[b].name[:]) })
	buffered := bufio.NewWriterSize(file, 64<<10)
	sum := newSum()
	to := io.MultiWriter(buffered, sum)
	var word []byte
	put := func(value uint32) {
		word = binary.BigEndian.AppendUint32(word[:0], value)
		_, _ = to.Write(word) // the buffer remembers its error
	}
	put(0xff744f63)
	put(2)
	next := 0
	for first := range 256 {
		for next < len(order) && int(entries[order[next]].name[0]) <= first {
			next++
		}
		put(uint32(next))
	}
	for _, i := range order {
		_, _ = to.Write(entries[i].name[:])
	}
	for _, i := range order {
		put(entries[i].crc)
	}
	var large []int64
	for _, i := range order {
		if at[i] <= math.MaxInt32 {
			put(uint32(at[i]))
			continue
		}
		put(1<<31 | uint32(len(large)))
		large = append(large, at[i])
	}
	for _, offset := range large {
		put(uint32(offset >> 32))
		put(uint32(offset))
	}
	_, _ = to.Write(pack[:])
	_, _ = buffered.Write(sum.Sum(nil))
	return buffered.Flush()
}
