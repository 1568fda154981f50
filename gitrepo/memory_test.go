package gitrepo_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/internal/gittest"
)

// fetchAlone, when it is set, makes the test binary fetch from an address, as a process of
// its own whose memory says what the fetch took: "inspect HASH URL" or "fetch HASH URL".
const fetchAlone = "GITSYNC_TEST_FETCH"

// maxResident is what a process may need that fetches, whatever the server sends.
const maxResident = raceMemory * 100 << 20

// childFetches does what the environment says, and prints the most memory that it took.
func childFetches(how string) int {
	fields := strings.Fields(how)
	remote, err := gitrepo.NewRemote(fields[2], gitrepo.Auth{})
	if err != nil {
		_, _ = fmt.Fprintln(os.Stdout, err)
		return 1
	}
	store, err := gitrepo.OpenStore(fields[3], remote, "main")
	if err != nil {
		_, _ = fmt.Fprintln(os.Stdout, err)
		return 1
	}
	hash, ctx := gitrepo.Hash(fields[1]), context.Background()
	if fields[0] == "inspect" {
		_, err = store.Inspect(ctx, hash, gitrepo.InspectOptions{})
	} else {
		_, err = store.Fetch(ctx, hash)
	}
	status, statusErr := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	peak, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	_, _ = fmt.Fprintf(os.Stdout, "VmHWM %s %v %v\n", peak, statusErr, err)
	return 0
}

// corpus are packs that were made to fill memory, each with the tip that a server claims.
func corpus() map[string][]byte {
	zeros := make([]byte, 125<<20)
	sum := gittest.ObjectHash(gittest.BlobKind, zeros)
	// It is compressed once, and the same each time.
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	_, _ = w.Write(zeros)
	_ = w.Close()
	large := gittest.Entry{Kind: gittest.BlobKind, Size: int64(len(zeros)), Raw: packed.Bytes()}
	delta := func(target uint64, commands ...byte) gittest.Entry {
		return gittest.Entry{Kind: gittest.RefDelta, Size: -1, Base: sum[:], Content: gittest.Delta(125<<20, target, commands...)}
	}
	whole := bytes.Repeat([]byte{0xf0, 0xff, 0xff, 0xff}, 7) // 7 times 16 MiB, less a byte
	target := uint64(7 * (1<<24 - 1))
	out := map[string][]gittest.Entry{"twelve files of 125 MB": {}, "small deltas on a large base": {large}, "small results of a large base": {large}, "many objects": {}}
	for i := range 12 {
		out["twelve files of 125 MB"] = append(out["twelve files of 125 MB"], large)
		out["small deltas on a large base"] = append(out["small deltas on a large base"], delta(target, whole...))
		out["small results of a large base"] = append(out["small results of a large base"], delta(1<<20, 0xf1, byte(i), 0, 0, 0x10))
	}
	noise := make([]byte, 20)
	for range 499_000 {
		_, _ = rand.Read(noise)
		out["many objects"] = append(out["many objects"], gittest.Entry{Kind: gittest.BlobKind, Size: 20, Raw: stored(noise)})
	}
	for i := range 499_000 {
		out["many commits"] = append(out["many commits"], gittest.Entry{Kind: gittest.CommitKind, Size: 8, Raw: stored(fmt.Appendf(nil, "%08x", i))})
		out["many deltas of nothing"] = append(out["many deltas of nothing"], gittest.Entry{
			Kind: gittest.RefDelta, Size: 4, Base: append([]byte{byte(i), byte(i >> 8), byte(i >> 16)}, make([]byte, 17)...), Raw: stored([]byte{1, 1, 1, 0}),
		})
	}
	packs := map[string][]byte{}
	entries, _ := good()
	for name, bomb := range out {
		packs[name] = gittest.MakePack(-1, append(bomb, entries...)...)
	}
	packs["large directories in each other"], _ = nested()
	return packs
}

// nested is a commit of four directories in each other, each as large as it may be, and its
// hash.
func nested() (pack []byte, tip string) {
	blob := gittest.ObjectHash(gittest.BlobKind, nil)
	entries := []gittest.Entry{gittest.Whole(gittest.BlobKind, nil)}
	var below [20]byte
	for level := range 4 {
		var tree []gittest.TreeEntry
		if level > 0 {
			tree = append(tree, gittest.TreeEntry{Mode: "40000", Name: "0", Hash: below})
		}
		for i := range 120_000 {
			tree = append(tree, gittest.TreeEntry{Mode: "100644", Name: fmt.Sprintf("%05x", i+4096), Hash: blob})
		}
		content := gittest.MakeTree(tree...)
		below = gittest.ObjectHash(gittest.TreeKind, content)
		entries = append(entries, gittest.Whole(gittest.TreeKind, content))
	}
	commit := gittest.MakeCommit(below, "nested")
	sum := gittest.ObjectHash(gittest.CommitKind, commit)
	return gittest.MakePack(-1, append(entries, gittest.Whole(gittest.CommitKind, commit))...), hex.EncodeToString(sum[:])
}

// stored is a short text in zlib's form, not compressed.
func stored(text []byte) []byte {
	n := byte(len(text))
	out := append([]byte{0x78, 1, 1, n, 0, ^n, 0xff}, text...)
	a, b := uint32(1), uint32(0)
	for _, c := range text {
		a = (a + uint32(c)) % 65521
		b = (b + a) % 65521
	}
	return append(out, byte(b>>8), byte(b), byte(a>>8), byte(a))
}

// Whatever a server sends, whether it is to be verified or to be stored: the process that
// fetches stays small.
func TestAFetchNeedsLittleMemoryWhateverComes(t *testing.T) {
	_, tip := good()
	_, large := nested()
	for name, pack := range corpus() {
		tip := tip
		if name == "large directories in each other" {
			tip = large
		}
		address := gittest.ServeAnswers(t, gittest.Answers{
			Advertisement: gittest.Says(gittest.Advertise(tip + " refs/heads/main")),
			Pack:          gittest.Says(gittest.Shallow(tip, pack)),
		})
		for _, how := range []string{"inspect", "fetch"} {
			t.Run(name+"/"+how, func(t *testing.T) {
				cmd := exec.CommandContext(t.Context(), os.Args[0])
				cmd.Env = append(os.Environ(), fetchAlone+"="+strings.Join([]string{how, tip, address, t.TempDir()}, " "))
				out, err := cmd.CombinedOutput()
				fields := strings.Fields(string(out))
				if err != nil || len(fields) < 2 || fields[0] != "VmHWM" {
					t.Fatalf("%v: %s", err, out)
				}
				peak, err := strconv.ParseInt(fields[1], 10, 64)
				if err != nil || peak<<10 > maxResident {
					t.Errorf("it took %s KiB: %s", fields[1], out)
				}
				t.Logf("%s: %s", how, out)
			})
		}
	}
}

// What is too large for one pack is too large in several ones as well.
func TestDirectoriesThatComeBitByBitAreBoundedToo(t *testing.T) {
	repo := gittest.NewRepo(t)
	var root []gittest.TreeEntry
	grow := func(name string) {
		tree := make([]gittest.TreeEntry, 110_000)
		for i := range tree {
			tree[i] = gittest.TreeEntry{Mode: "160000", Name: fmt.Sprintf("%s%05x", name, i), Hash: [20]byte{1}}
		}
		root = append(root, gittest.TreeEntry{Mode: "40000", Name: name, Hash: repo.Object(gittest.TreeKind, gittest.MakeTree(tree...))})
	}
	commit := func() gitrepo.Hash {
		sum := repo.Object(gittest.TreeKind, gittest.MakeTree(root...))
		args := []string{"commit-tree", "-m", "Grow", hex.EncodeToString(sum[:])}
		if parent := repo.Hash("main"); parent != "" {
			args = append(args, "-p", parent)
		}
		repo.ResetBranch("main", strings.TrimSpace(repo.Git(args...)))
		return gitrepo.Hash(repo.Hash("main"))
	}
	store := openStore(t, t.TempDir(), open(t, repo.Dir, gitrepo.Auth{}), "main")
	for i, name := range []string{"a", "b", "c", "d", "e"} {
		grow(name)
		if i != 2 && i != 4 {
			continue
		}
		_, err := store.Fetch(t.Context(), commit())
		if last := i == 4; last != errors.Is(err, gitrepo.ErrTooLarge) || !last && err != nil {
			t.Errorf("with %d directories: %v", i+1, err)
		}
	}
}
