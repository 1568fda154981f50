package pack_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/gitrepo/pack"
	"github.com/gitsync/gitsync/internal/gittest"
)

// versions is a repo with many versions of files, large ones too, which Git packs as
// deltas of each other.
func versions(t *testing.T) *gittest.Repo {
	t.Helper()
	repo := gittest.NewRepo(t)
	random := rand.New(rand.NewPCG(1, 2))
	lines := make([]string, 3000)
	for i := range lines {
		lines[i] = fmt.Sprintf("%x", random.Uint64())
	}
	large := make([]byte, 9<<19)
	for i := range large {
		large[i] = byte(random.Uint32())
	}
	for i := range 5 {
		lines[random.IntN(len(lines))] = fmt.Sprint("version ", i)
		large[random.IntN(len(large))]++
		repo.Commit("main", map[string]string{
			"hosts/a/containers.yaml": strings.Join(lines, "\n"), fmt.Sprint("hosts/b/", i): strings.Join(lines[i:], "\n"), "large": string(large),
		}, fmt.Sprint("Version ", i))
	}
	return repo
}

// packed returns all objects of a repo as git packs them.
func packed(t *testing.T, repo *gittest.Repo, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", repo.Dir, "pack-objects", "--all", "--stdout", "-q"}, args...)...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// objects lists the objects of a bare repo, in order of their names.
func objects(t *testing.T, dir string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", "-C", dir, "cat-file", "--batch-all-objects", "--batch-check").Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestWhatGitPacksIsUnpackedWithoutDeltas(t *testing.T) {
	repo := versions(t)
	for name, args := range map[string][]string{
		"deltas by offset": {"--delta-base-offset"},
		"deltas by name":   {"--depth=4"},
		"long chains":      {"--delta-base-offset", "--depth=4000", "--window=50"},
		"without deltas":   {"--depth=0", "--window=0"},
	} {
		t.Run(name, func(t *testing.T) {
			into := gittest.NewRepo(t)
			dir := filepath.Join(into.Dir, "objects", "pack")
			data := packed(t, repo, args...)
			work, err := pack.Unpack(t.Context(), dir, bytes.NewReader(data), pack.DefaultBudget())
			if err != nil {
				t.Fatal(err)
			}
			if got, want := objects(t, into.Dir), objects(t, repo.Dir); got != want {
				t.Errorf("it holds\n%s\nwant\n%s", got, want)
			}
			into.Git("fsck", "--full", "--strict")
			files, err := filepath.Glob(filepath.Join(dir, "*.idx"))
			if err != nil || len(files) != 1 {
				t.Fatalf("%v, %v", files, err)
			}
			if said := into.Git("verify-pack", "-v", files[0]); strings.Contains(said, "chain length") {
				t.Errorf("there are deltas:\n%s", said)
			}
			if all, _ := os.ReadDir(dir); len(all) != 2 {
				t.Errorf("it leaves %v", all)
			}
			if work.Objects != int64(strings.Count(objects(t, repo.Dir), "\n")) || work.Packed != int64(len(data)) || work.Held > 12<<20 {
				t.Errorf("the work was %+v", work)
			}
		})
	}
}

func TestCommitsAreReadAndAllElseIsPassedOver(t *testing.T) {
	repo := versions(t)
	repo.Git("tag", "-m", "a tag", "v1", "main")
	for name, args := range map[string][]string{"deltas by offset": {"--delta-base-offset", "--window=50"}, "deltas by name": {"--window=50"}} {
		t.Run(name, func(t *testing.T) {
			found, work, err := pack.Read(t.Context(), bytes.NewReader(packed(t, repo, args...)), pack.DefaultBudget(), pack.Commit, pack.Tag)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, o := range found {
				if o.Kind != pack.Commit && o.Kind != pack.Tag {
					t.Errorf("it returns a %s", o.Kind)
				}
				got = append(got, fmt.Sprintf("%x", o.Name))
			}
			for line := range strings.Lines(objects(t, repo.Dir)) {
				fields := strings.Fields(line)
				if wanted := fields[1] == "commit" || fields[1] == "tag"; wanted != strings.Contains(strings.Join(got, " "), fields[0]) {
					t.Errorf("of %s it returns %v", line, got)
				}
			}
			if work.Held > 1<<20 {
				t.Errorf("it held %d bytes", work.Held)
			}
		})
	}
}

func TestAPackOfNothingLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	if _, err := pack.Unpack(t.Context(), dir, bytes.NewReader(gittest.MakePack(0)), pack.DefaultBudget()); err != nil {
		t.Error(err)
	}
	if _, err := pack.Unpack(t.Context(), dir, bytes.NewReader(nil), pack.DefaultBudget()); !errors.Is(err, pack.ErrEmpty) {
		t.Error(err)
	}
	if all, _ := os.ReadDir(dir); len(all) > 0 {
		t.Errorf("it leaves %v", all)
	}
}

func TestWhatASourceSaysOfItselfIsNotABrokenPack(t *testing.T) {
	cut := errors.New("the connection is cut")
	data := gittest.MakePack(-1, gittest.Whole(gittest.BlobKind, make([]byte, 1<<20)))
	from := func() *failing { return &failing{bytes.NewReader(data[:len(data)/2]), cut} }
	if _, err := pack.Unpack(t.Context(), t.TempDir(), from(), pack.DefaultBudget()); !errors.Is(err, cut) || errors.Is(err, pack.ErrBroken) {
		t.Error(err)
	}
	if _, _, err := pack.Read(t.Context(), from(), pack.DefaultBudget(), pack.Commit); !errors.Is(err, cut) || errors.Is(err, pack.ErrBroken) {
		t.Error(err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := pack.Unpack(ended, t.TempDir(), bytes.NewReader(data), pack.DefaultBudget()); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	missing := filepath.Join(t.TempDir(), "missing")
	if _, err := pack.Unpack(t.Context(), missing, bytes.NewReader(data), pack.DefaultBudget()); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), missing) {
		t.Error(err)
	}
}

// failing is a reader that ends with an error.
type failing struct {
	*bytes.Reader
	err error
}

// Read implements io.Reader.
func (f *failing) Read(p []byte) (int, error) {
	if f.Len() == 0 {
		return 0, f.err
	}
	return f.Reader.Read(p)
}
