package pack_test

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"os"
	"testing"

	"github.com/gitsync/gitsync/gitrepo/pack"
	"github.com/gitsync/gitsync/internal/gittest"
)

// small is a budget that bombs exceed soon: it is a hundredth of the default one.
func small() pack.Budget {
	return pack.Budget{
		Objects: 5000, Unpacked: 5 << 20, PerByte: 32, AtMost: 20 << 20,
		Blob: 1 << 20, Tree: 80 << 10, Header: 40 << 10, Trees: 240 << 10, Kept: 320 << 10,
	}
}

func blob(content []byte) gittest.Entry { return gittest.Whole(gittest.BlobKind, content) }

// on is a delta of an object of so many bytes that makes so many of it.
func on(base [20]byte, size, target int, commands ...byte) gittest.Entry {
	return gittest.Entry{Kind: gittest.RefDelta, Size: -1, Base: base[:], Content: gittest.Delta(uint64(size), uint64(target), commands...)}
}

// copies are commands that copy the beginning of an object, n times 64 KiB.
func copies(n int) []byte { return bytes.Repeat([]byte{0x80}, n) }

func times(n int, e gittest.Entry) []gittest.Entry {
	out := make([]gittest.Entry, n)
	for i := range out {
		out[i] = e
	}
	return out
}

// bombs are packs whose work is out of all proportion.
func bombs() map[string][]byte {
	zeros := make([]byte, 1<<20)
	base := gittest.ObjectHash(gittest.BlobKind, zeros)
	var noise []byte
	for sum := sha1.Sum(nil); len(noise) < 1<<19; sum = sha1.Sum(sum[:]) {
		noise = append(noise, sum[:]...)
	}
	return map[string][]byte{
		"zeros":                         gittest.MakePack(-1, times(12, blob(zeros))...),
		"small deltas on a large base":  gittest.MakePack(-1, append(times(400, on(base, 1<<20, 1<<20, copies(16)...)), blob(zeros))...),
		"one base and its deltas":       gittest.MakePack(-1, append([]gittest.Entry{blob(zeros)}, times(400, on(base, 1<<20, 1<<20, copies(16)...))...)...),
		"deltas that copy byte by byte": gittest.MakePack(-1, append([]gittest.Entry{blob(zeros)}, times(4, on(base, 1<<20, 1<<19, bytes.Repeat([]byte{0x90, 1}, 1<<19)...))...)...),
		"deltas of a chain":             chain(zeros, 60),
		"a large tree":                  gittest.MakePack(-1, gittest.Whole(gittest.TreeKind, zeros)),
		"many trees":                    gittest.MakePack(-1, times(4, gittest.Whole(gittest.TreeKind, zeros[:70<<10]))...),
		"deltas that make many trees":   gittest.MakePack(-1, append(times(4, on(gittest.ObjectHash(gittest.TreeKind, zeros[:70<<10]), 70<<10, 1<<16, 0x80)), gittest.Whole(gittest.TreeKind, zeros[:70<<10]))...),
		"a large commit":                gittest.MakePack(-1, gittest.Whole(gittest.CommitKind, zeros)),
		"a delta that makes a large commit": gittest.MakePack(-1, gittest.Whole(gittest.CommitKind, zeros[:1<<15]),
			on(gittest.ObjectHash(gittest.CommitKind, zeros[:1<<15]), 1<<15, 1<<19, bytes.Repeat([]byte{0xd0, 0x80}, 1<<12)...)),
		"too many objects": gittest.MakePack(-1, times(5001, blob(nil))...),
		"a long file":      gittest.MakePack(-1, blob(append(zeros, noise...))),
	}
}

// chain is a base, and deltas each of which is applied to the one before.
func chain(base []byte, n int) []byte {
	entries := []gittest.Entry{blob(base)}
	name, content := gittest.ObjectHash(gittest.BlobKind, base), base
	for i := range n {
		// All but the first four bytes, and a number instead of them.
		size := uint32(len(content) - 4)
		commands := append([]byte{4}, binary.BigEndian.AppendUint32(nil, uint32(i))...)
		commands = append(commands, 0xf1, 4, byte(size), byte(size>>8), byte(size>>16))
		entries = append(entries, on(name, len(content), len(content), commands...))
		content = append(binary.BigEndian.AppendUint32(nil, uint32(i)), content[4:]...)
		name = gittest.ObjectHash(gittest.BlobKind, content)
	}
	return gittest.MakePack(-1, entries...)
}

func TestABombIsRefusedWithinTheBudget(t *testing.T) {
	for name, data := range bombs() {
		t.Run(name, func(t *testing.T) {
			dir, budget := t.TempDir(), small()
			work, err := pack.Unpack(t.Context(), dir, bytes.NewReader(data), budget)
			if !errors.Is(err, pack.ErrTooLarge) {
				t.Errorf("%v, want that it is too large", err)
			}
			// One step may pass the limit: a chunk, or a copy of 16 MiB at most.
			if most := budget.Unpacked + budget.PerByte*int64(len(data)) + 1<<20; work.Unpacked > most || work.Objects > budget.Objects {
				t.Errorf("the work was %+v, want %d bytes at most", work, most)
			}
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("it leaves %v", left)
			}
		})
	}
}

func TestWhatIsVerifiedIsReadWithinTheBudget(t *testing.T) {
	many := make([]gittest.Entry, 100)
	for i := range many {
		many[i] = gittest.Whole(gittest.CommitKind, bytes.Repeat([]byte{byte(i)}, 8<<10))
	}
	packs := bombs()
	packs["many commits"] = gittest.MakePack(-1, many...)
	one := bytes.Repeat([]byte{'x'}, 8<<10)
	packs["deltas that make many commits"] = gittest.MakePack(-1, append(times(100, on(gittest.ObjectHash(gittest.CommitKind, one), 8<<10, 8<<10, 0xb0, 0, 0x20)), gittest.Whole(gittest.CommitKind, one))...)
	packs["deltas of what never comes"] = gittest.MakePack(-1, times(100, on([20]byte{1}, 8<<10, 8<<10, bytes.Repeat([]byte{1, 'x'}, 8<<10)...))...)
	for name, data := range packs {
		t.Run(name, func(t *testing.T) {
			budget := small()
			_, work, err := pack.Read(t.Context(), bytes.NewReader(data), budget, pack.Commit, pack.Tag)
			// What is passed over, as trees and files are, may be as it likes.
			if err != nil && !errors.Is(err, pack.ErrTooLarge) {
				t.Error(err)
			}
			if most := budget.Unpacked + budget.PerByte*int64(len(data)) + 1<<20; work.Unpacked > most || work.Held > budget.Kept+1<<17 {
				t.Errorf("the work was %+v, want %d bytes at most", work, most)
			}
		})
	}
}

// However deltas are chained, few of the objects that they are applied to are held.
func TestDeltasOnDeltasNeedFewObjectsAtATime(t *testing.T) {
	// Each object of the chain has further deltas beside the one that goes on.
	content := bytes.Repeat([]byte("0123456789abcdef"), 8<<10)
	entries, offsets := []gittest.Entry{blob(content)}, []int{12}
	end := 12 + len(gittest.MakePack(-1, entries...)) - 32
	for i := range 900 {
		// Where the chain goes on is now at the first, and now at the last of three.
		base := offsets[max(0, len(offsets)-1-i%3)]
		entry := gittest.Entry{Kind: gittest.OffsetDelta, Size: -1, Base: back(end - base), Content: gittest.Delta(128<<10, 128<<10, 4, byte(i), byte(i>>8), 1, 2, 0xf1, 4, 0xfc, 0xff, 0x01)}
		entries, offsets = append(entries, entry), append(offsets, end)
		end += len(gittest.MakePack(-1, entry)) - 32
	}
	data := gittest.MakePack(-1, entries...)
	work, err := pack.Unpack(t.Context(), t.TempDir(), bytes.NewReader(data), pack.DefaultBudget())
	if err != nil {
		t.Fatal(err)
	}
	// Of 900 objects, as many as a heap of them is deep.
	if most := int64(11 * 128 << 10); work.Objects != 901 || work.Held > most {
		t.Errorf("the work was %+v, want %d bytes held at most", work, most)
	}
}

// back is how a delta says how far before it its base is.
func back(distance int) []byte {
	out := []byte{byte(distance & 0x7f)}
	for distance >>= 7; distance > 0; distance >>= 7 {
		distance--
		out = append([]byte{byte(distance&0x7f) | 0x80}, out...)
	}
	return out
}
