package sync_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/internal/gittest"
	"github.com/gitsync/gitsync/sync"
	"github.com/gitsync/gitsync/trust"
)

// rewrite puts a commit at the tip of main that is what becomes of the one there.
func (w *world) rewrite(change func(raw string) string) {
	w.t.Helper()
	raw := w.repo.Git("cat-file", "commit", "main") + "\n"
	sum := w.repo.Object(gittest.CommitKind, []byte(change(raw)))
	w.repo.ResetBranch("main", hex.EncodeToString(sum[:]))
}

// grow makes a signed commit of a tree that Git would not make.
func (w *world) grow(k *keys, entries ...gittest.TreeEntry) {
	w.t.Helper()
	sum := w.repo.Object(gittest.TreeKind, gittest.MakeTree(entries...))
	hash := w.repo.Git("commit-tree", "-p", "main", "-m", "Grow", hex.EncodeToString(sum[:]))
	w.repo.ResetBranch("main", strings.TrimSpace(hash))
	w.repo.Sign("main", k.alice, w.time())
}

// signature returns the header that holds the signature of a commit.
func signatureOf(raw string) string {
	_, after, _ := strings.Cut(raw, "\ngpgsig ")
	header, _, _ := strings.Cut(after, "-----END SSH SIGNATURE-----")
	return "gpgsig " + header + "-----END SSH SIGNATURE-----\n"
}

// malformed are all ways in which a tip can be none that anybody should deploy, though its
// signature, where it has one, may be good.
func malformed() map[string]func(w *world, k *keys) {
	return map[string]func(w *world, k *keys){
		"two signatures": func(w *world, k *keys) {
			w.signed(k, map[string]string{web1: web("evil:1")}, "Twice")
			w.rewrite(func(raw string) string { return strings.Replace(raw, "\ngpgsig ", "\n"+signatureOf(raw)+"gpgsig ", 1) })
		},
		"a signature for SHA-256": func(w *world, k *keys) {
			w.signed(k, map[string]string{web1: web("evil:1")}, "Other")
			w.rewrite(func(raw string) string { return strings.Replace(raw, "\ngpgsig ", "\ngpgsig-sha256 x\ngpgsig ", 1) })
		},
		"no author": func(w *world, _ *keys) {
			w.commit(map[string]string{web1: web("evil:1")}, "Nobody")
			w.rewrite(func(raw string) string { return strings.Replace(raw, "\nauthor ", "\nauthors ", 1) })
		},
		"a committer without a time": func(w *world, _ *keys) {
			w.commit(map[string]string{web1: web("evil:1")}, "Never")
			w.rewrite(func(raw string) string {
				head, rest, _ := strings.Cut(raw, "\ncommitter ")
				_, rest, _ = strings.Cut(rest, "\n")
				return head + "\ncommitter Mallory\n" + rest
			})
		},
		"a NUL byte": func(w *world, _ *keys) {
			w.commit(map[string]string{web1: web("evil:1")}, "Nothing")
			w.rewrite(func(raw string) string { return strings.Replace(raw, "\nauthor ", "\nauthor \x00", 1) })
		},
		"a tree twice": func(w *world, _ *keys) {
			w.commit(map[string]string{web1: web("evil:1")}, "Forest")
			w.rewrite(func(raw string) string { first, _, _ := strings.Cut(raw, "\n"); return first + "\n" + raw })
		},
		"a message of 5 MiB": func(w *world, k *keys) {
			w.commit(map[string]string{web1: web("evil:1")}, strings.Repeat("x", 5<<20))
			w.repo.Sign("main", k.alice, w.time())
		},
		"a name twice": func(w *world, k *keys) {
			blob := w.repo.Object(gittest.BlobKind, []byte("x"))
			w.grow(k, gittest.TreeEntry{Mode: "100644", Name: "a", Hash: blob}, gittest.TreeEntry{Mode: "100644", Name: "a", Hash: blob})
		},
		"a name that leads elsewhere": func(w *world, k *keys) {
			blob := w.repo.Object(gittest.BlobKind, []byte("x"))
			w.grow(k, gittest.TreeEntry{Mode: "100644", Name: "..", Hash: blob})
		},
		"300 levels of directories": func(w *world, k *keys) {
			blob := w.repo.Object(gittest.BlobKind, []byte("x"))
			tree := gittest.TreeEntry{Mode: "100644", Name: "a", Hash: blob}
			for range 300 {
				tree = gittest.TreeEntry{Mode: "40000", Name: "a", Hash: w.repo.Object(gittest.TreeKind, gittest.MakeTree(tree))}
			}
			tree.Name = "hosts"
			w.grow(k, tree)
		},
	}
}

// Whatever is wrong with a tip: it is refused as an unsigned one is, also by a new process,
// and what was deployed is kept running.
func TestEachReasonToRefuseATipIsTheSameRefusal(t *testing.T) {
	for name, push := range malformed() {
		// A new process knows less than one that goes on.
		t.Run(name, func(t *testing.T) { refuse(t, push, true, trust.ErrRefused, "nothing is changed") })
	}
	t.Run("without a restart", func(t *testing.T) {
		refuse(t, malformed()["two signatures"], false, trust.ErrRefused, "nothing is changed")
	})
}

// Without verification a tip that cannot be read keeps nobody from repairing either.
func TestATipThatCannotBeReadKeepsWhatRunsWithoutVerificationToo(t *testing.T) {
	for name, push := range map[string]func(w *world){
		"a name twice": func(w *world) {
			blob := w.repo.Object(gittest.BlobKind, []byte("x"))
			w.growUnsigned(gittest.TreeEntry{Mode: "100644", Name: "a", Hash: blob}, gittest.TreeEntry{Mode: "100644", Name: "a", Hash: blob})
		},
		"a file that is missing": func(w *world) {
			w.growUnsigned(gittest.TreeEntry{Mode: "100644", Name: "gitsync.yaml", Hash: [20]byte{1}})
		},
		"a directory that is missing": func(w *world) {
			w.growUnsigned(gittest.TreeEntry{Mode: "40000", Name: "hosts", Hash: [20]byte{1}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.commit(map[string]string{web1: web("app:1")}, "One")
			w.cycle()
			push(w)
			for _, restart := range []bool{false, true} {
				if restart {
					w.open(w.repo.Dir)
				}
				w.machine.Remove("web")
				if r := w.fail(); r.GitErr == nil || r.Err != nil {
					t.Errorf("restarted %v: %v", restart, problems(r))
				}
				w.runs("web", "app:1")
			}
		})
	}
}

func (w *world) growUnsigned(entries ...gittest.TreeEntry) {
	w.t.Helper()
	sum := w.repo.Object(gittest.TreeKind, gittest.MakeTree(entries...))
	w.repo.Git("config", "uploadpack.allowFilter", "true")
	hash := w.repo.Object(gittest.CommitKind, fmt.Appendf(nil, "tree %x\nparent %s\nauthor M <m@example.com> 1767323045 +0000\ncommitter M <m@example.com> 1767323045 +0000\n\nGrow\n", sum, w.repo.Hash("main")))
	w.repo.ResetBranch("main", hex.EncodeToString(hash[:]))
}

// A commit that stays as bad as it is costs nothing more than the poll.
func TestATipThatStaysBadIsDownloadedOnce(t *testing.T) {
	w := newWorld(t)
	server := gittest.ServeHTTP(t, w.repo, gittest.HTTPOptions{})
	w.open(server.URL)
	w.commit(map[string]string{web1: web("app:1")}, "One")
	w.cycle()
	blob := w.repo.Object(gittest.BlobKind, []byte("x"))
	w.growUnsigned(gittest.TreeEntry{Mode: "100644", Name: "a", Hash: blob}, gittest.TreeEntry{Mode: "100644", Name: "a", Hash: blob})
	if r := w.fail(); !errors.Is(r.GitErr, gitrepo.ErrBrokenRepo) {
		t.Fatal(problems(r))
	}
	server.ResetCounters()
	if r := w.fail(); !errors.Is(r.GitErr, gitrepo.ErrBrokenRepo) || sync.React(r.GitErr) == sync.Retry {
		t.Fatal(problems(r))
	}
	if got := server.Requests(); len(got) != 1 || server.BytesOut() > 2_000 {
		t.Errorf("it is downloaded again: %d bytes for %v", server.BytesOut(), got)
	}
}
