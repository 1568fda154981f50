package gitrepo_test

import (
	"os/exec"
	"testing"
	"time"

	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/internal/gittest"
)

// Each benchmark measures git itself in the same run, and reports how many times as
// long gitsync takes: the metric x/git. Absolute times prove nothing on a noisy
// machine.

func BenchmarkPoll(b *testing.B) {
	server, remote := benchRemote(b)
	var git time.Duration
	for b.Loop() {
		if _, err := remote.Refs(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		git += timeGit(b, "ls-remote", server.URL)
		b.StartTimer()
	}
	report(b, git)
}

func BenchmarkFirstFetch(b *testing.B) {
	server, remote := benchRemote(b)
	refs, err := remote.Refs(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	tip, err := refs.Branch("main")
	if err != nil {
		b.Fatal(err)
	}
	var git time.Duration
	for b.Loop() {
		store, err := gitrepo.OpenStore(b.TempDir(), remote, "main")
		if err != nil {
			b.Fatal(err)
		}
		commit, err := store.Fetch(b.Context(), tip)
		if err != nil {
			b.Fatal(err)
		}
		for name := range fleet(1000) {
			if _, err := commit.Tree().ReadFile(name); err != nil {
				b.Fatal(err)
			}
		}
		if err := store.Close(); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		git += timeGit(b, "clone", "--quiet", "--depth", "1", server.URL, b.TempDir()+"/clone")
		b.StartTimer()
	}
	report(b, git)
}

func benchRemote(b *testing.B) (*gittest.HTTPServer, *gitrepo.Remote) {
	b.Helper()
	repo := gittest.NewRepo(b)
	repo.Commit("main", fleet(1000), "a thousand hosts")
	server := gittest.ServeHTTP(b, repo, gittest.HTTPOptions{})
	remote, err := gitrepo.NewRemote(server.URL, gitrepo.Auth{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = remote.Close() })
	return server, remote
}

func timeGit(b *testing.B, args ...string) time.Duration {
	b.Helper()
	start := time.Now()
	if output, err := exec.CommandContext(b.Context(), "git", args...).CombinedOutput(); err != nil {
		b.Fatalf("git %v: %v: %s", args, err, output)
	}
	return time.Since(start)
}

func report(b *testing.B, floor time.Duration) {
	b.ReportMetric(float64(b.Elapsed())/float64(floor), "x/git")
	b.ReportMetric(0, "ns/op")
}
