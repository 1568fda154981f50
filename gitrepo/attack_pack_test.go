package gitrepo_test

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/internal/gittest"
)

// fetchHostile fetches from a server whose branch main is at a tip, and whose pack is
// this one.
func fetchHostile(t *testing.T, dir, tip string, pack []byte) error {
	t.Helper()
	address := gittest.ServeAnswers(t, gittest.Answers{
		Advertisement: gittest.Says(gittest.Advertise(tip + " refs/heads/main")),
		Pack:          gittest.Says(gittest.Shallow(tip, pack)),
	})
	remote := open(t, address, gitrepo.Auth{})
	store, err := gitrepo.OpenStore(dir, remote, "main")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	_, err = store.Fetch(t.Context(), gitrepo.Hash(tip))
	return err
}

// good is a pack with a commit of one file, and the commit's hash.
func good() (entries []gittest.Entry, tip string) {
	blob := []byte("containers: {}\n")
	tree := gittest.MakeTree(gittest.TreeEntry{Mode: "100644", Name: "a", Hash: gittest.ObjectHash(gittest.BlobKind, blob)})
	commit := gittest.MakeCommit(gittest.ObjectHash(gittest.TreeKind, tree), "hello")
	sum := gittest.ObjectHash(gittest.CommitKind, commit)
	return []gittest.Entry{
		gittest.Whole(gittest.CommitKind, commit), gittest.Whole(gittest.TreeKind, tree), gittest.Whole(gittest.BlobKind, blob),
	}, hex.EncodeToString(sum[:])
}

// A server's pack is refused with an error: it neither ends the process, nor takes its
// memory, nor leaves anything in the store.
func TestAHostilePackIsRefused(t *testing.T) {
	entries, tip := good()
	whole := gittest.MakePack(-1, entries...)
	zeros := make([]byte, 1<<20)
	blob := func(content string) gittest.Entry { return gittest.Whole(gittest.BlobKind, []byte(content)) }
	base := gittest.ObjectHash(gittest.BlobKind, zeros)
	for name, c := range map[string]struct {
		pack []byte
		want string
	}{
		"nothing":                         {nil, "empty"},
		"no pack":                         {[]byte("<html>hello</html>"), "malformed pack file signature"},
		"four billion objects":            {gittest.MakePack(1<<32 - 1), "it claims to have 4294967295 objects"},
		"more objects than there are":     {gittest.MakePack(4, entries...), "broken pack"},
		"a truncated pack":                {whole[:len(whole)-30], "broken pack"},
		"a wrong checksum":                {append(bytes.Clone(whole[:len(whole)-1]), 0), "broken pack"},
		"version 3":                       {append([]byte("PACK\x00\x00\x00\x03"), whole[8:]...), "unsupported packfile version"},
		"an object of an unknown type":    {gittest.MakePack(-1, gittest.Entry{Kind: gittest.UnknownKind, Size: -1}), "no object of type 5"},
		"an object that says it is huge":  {gittest.MakePack(-1, gittest.Entry{Kind: gittest.BlobKind, Size: 1 << 40}), "too large"},
		"a size that does not end":        {gittest.MakePack(-1, gittest.Entry{Kind: gittest.BlobKind, Raw: bytes.Repeat([]byte{0xff}, 40)}), "broken pack"},
		"an object that is longer":        {gittest.MakePack(-1, gittest.Entry{Kind: gittest.BlobKind, Size: 1, Content: []byte("hello")}), "broken pack"},
		"an object that is shorter":       {gittest.MakePack(-1, gittest.Entry{Kind: gittest.BlobKind, Size: 9, Content: []byte("hello")}), "5 bytes instead of 9"},
		"what is not compressed":          {gittest.MakePack(-1, gittest.Entry{Kind: gittest.BlobKind, Size: 5, Raw: []byte("hello")}), "broken pack"},
		"a delta of nothing":              {gittest.MakePack(-1, gittest.Entry{Kind: gittest.OffsetDelta, Size: -1, Base: []byte{0}, Content: gittest.Delta(1, 1, 1, 'x')}), "broken pack"},
		"a delta of what is before":       {gittest.MakePack(-1, gittest.Entry{Kind: gittest.OffsetDelta, Size: -1, Base: []byte{0x7f}, Content: gittest.Delta(1, 1, 1, 'x')}), "broken pack"},
		"a delta of what is not there":    {gittest.MakePack(-1, gittest.Entry{Kind: gittest.RefDelta, Size: -1, Base: base[:], Content: gittest.Delta(1, 1, 1, 'x')}), "broken pack"},
		"an empty delta":                  {gittest.MakePack(-1, blob("x"), gittest.Entry{Kind: gittest.OffsetDelta, Size: -1, Base: []byte{10}}), "a delta without sizes"},
		"a delta that says it is huge":    {gittest.MakePack(-1, gittest.Whole(gittest.BlobKind, zeros), gittest.Entry{Kind: gittest.RefDelta, Size: -1, Base: base[:], Content: gittest.Delta(1<<20, 1<<50, 0x80)}), "too large"},
		"a delta that copies from beyond": {gittest.MakePack(-1, gittest.Whole(gittest.BlobKind, zeros), gittest.Entry{Kind: gittest.RefDelta, Size: -1, Base: base[:], Content: gittest.Delta(1<<20, 100, 0x9f, 255, 255, 255, 255, 100)}), "broken pack"},
		"a delta of itself":               {selfDelta(), "broken pack"},
		"other objects than asked for":    {gittest.MakePack(-1, blob("x")), "missing"},
		"a commit without its tree":       {gittest.MakePack(-1, entries[0]), "missing"},
		"a tree without its file":         {gittest.MakePack(-1, entries[:2]...), "missing"},
		"deltas that fill memory":         {deltaBomb(), "too large"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, dir := range []string{"", t.TempDir()} {
				err := fetchHostile(t, dir, tip, c.pack)
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want an error with %q", err, c.want)
				}
				wantNothingLeft(t, dir)
			}
		})
	}
	if err := fetchHostile(t, t.TempDir(), tip, whole); err != nil {
		t.Errorf("the pack that is right: %v", err)
	}
}

// wantNothingLeft checks that a refused pack left no file behind.
func wantNothingLeft(t *testing.T, dir string) {
	t.Helper()
	if dir == "" {
		return
	}
	for _, pattern := range []string{"new-*", "old-*", "git/objects/pack/tmp_*"} {
		if left, _ := filepath.Glob(filepath.Join(dir, pattern)); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

// selfDelta is a delta whose base is what it makes.
func selfDelta() []byte {
	made := gittest.ObjectHash(gittest.BlobKind, []byte("x"))
	return gittest.MakePack(-1, gittest.Entry{Kind: gittest.RefDelta, Size: -1, Base: made[:], Content: gittest.Delta(1, 1, 1, 'x')})
}

// deltaBomb is a few bytes that make many objects of 100 MiB.
func deltaBomb() []byte {
	base := make([]byte, 1<<16)
	sum := gittest.ObjectHash(gittest.BlobKind, base)
	entries := []gittest.Entry{gittest.Whole(gittest.BlobKind, base)}
	var commands []byte
	for range 100 << 20 >> 16 {
		commands = append(commands, 0x80) // copy 64 KiB from the beginning
	}
	for range 30 {
		entries = append(entries, gittest.Entry{Kind: gittest.RefDelta, Size: -1, Base: sum[:], Content: gittest.Delta(1<<16, 100<<20, commands...)})
	}
	return gittest.MakePack(-1, entries...)
}

// Whatever a pack holds, the process goes on.
func FuzzPack(f *testing.F) {
	entries, tip := good()
	whole := gittest.MakePack(-1, entries...)
	f.Add(whole, uint64(0))
	f.Add(selfDelta(), uint64(1))
	f.Fuzz(func(t *testing.T, pack []byte, seed uint64) {
		if len(pack) > 1<<16 {
			return
		}
		// One byte is another one, so that inputs of the right form come often.
		if r := rand.New(rand.NewPCG(seed, 0)); seed > 0 && len(pack) > 12 {
			pack = bytes.Clone(pack)
			pack[8+r.IntN(len(pack)-8)] = byte(r.UintN(256))
		}
		if err := fetchHostile(t, t.TempDir(), tip, pack); err == nil && !bytes.Equal(pack, whole) {
			t.Logf("%q was taken", pack)
		}
	})
}
