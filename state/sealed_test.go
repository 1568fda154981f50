package state_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/gitrepo/signature"
	"github.com/gitsync/gitsync/host/ssh"
	"github.com/gitsync/gitsync/internal/gittest"
	"github.com/gitsync/gitsync/state"
	"github.com/gitsync/gitsync/trust"
)

// openSealed opens the records of a repo, signed with a key.
func openSealed(t *testing.T, repo *gittest.Repo, name string, key gittest.Key, allowed string) *state.Records {
	t.Helper()
	remote, err := gitrepo.NewRemote(repo.Dir, gitrepo.Auth{})
	if err != nil {
		t.Fatal(err)
	}
	records, err := state.OpenRecords(t.TempDir(), remote, name, gitrepo.Signature{Name: "gitsync", Email: "gitsync@test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = records.Close() })
	own, err := ssh.ReadKey(key.File, "")
	if err != nil {
		t.Fatal(err)
	}
	list, err := signature.ParseSigners("signers", []byte(allowed))
	if err != nil {
		t.Fatal(err)
	}
	memory, err := trust.OpenMemory("", false)
	if err != nil {
		t.Fatal(err)
	}
	records.Use(memory, false)
	records.Require(&trust.Seal{
		Sign:  func(payload []byte) (string, error) { return signature.SignSSH(own, payload) },
		Rules: func() (signature.Rules, error) { return signature.Rules{Kind: signature.SSH, Signers: list}, nil },
		Now:   time.Now,
	}, nil)
	refs, err := remote.Refs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := records.Load(t.Context(), refs); err != nil {
		t.Fatal(err)
	}
	return records
}

func TestEveryoneGetsTheirSignedRecordInWithKeysOfTheirOwn(t *testing.T) {
	for _, name := range []string{branchName, "gitsync/state/{host}"} {
		repo := gittest.NewRepo(t)
		repo.Commit("main", map[string]string{"a": "b"}, "source")
		const many = 6
		keys, allowed := make([]gittest.Key, many), ""
		for i := range keys {
			keys[i] = gittest.NewSSHKey(t)
			allowed += fmt.Sprintf("agent%d %s\n", i, keys[i].Public)
		}
		var group errgroup.Group
		for _, key := range keys {
			records := openSealed(t, repo, name, key, allowed)
			host := "host" + fmt.Sprint(strings.Index(allowed, key.Public))
			group.Go(func() error {
				for round := range 2 {
					r := record()
					r.Tree = fmt.Sprint(round)
					if err := records.Save(t.Context(), map[string]*state.Record{host: r}, entry("Deploy to "+host, host)); err != nil {
						return err
					}
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		reader := openSealed(t, repo, name, keys[0], allowed)
		for _, key := range keys {
			host := "host" + fmt.Sprint(strings.Index(allowed, key.Public))
			if r, err := reader.Record(t.Context(), host); err != nil || r == nil || r.Tree != "1" || !r.Confirmed {
				t.Errorf("%s: %+v, %v", host, r, err)
			}
		}
	}
}

func TestABranchOfAnotherHostIsNoBranchOfThisOne(t *testing.T) {
	repo := gittest.NewRepo(t)
	repo.Commit("main", map[string]string{"a": "b"}, "source")
	key := gittest.NewSSHKey(t)
	records := openSealed(t, repo, "state/{host}", key, "agent "+key.Public)
	if err := records.Save(t.Context(), map[string]*state.Record{"web1": record()}, entry("Deploy", "web1")); err != nil {
		t.Fatal(err)
	}
	repo.ResetBranch("state/web2", repo.Hash("state/web1"))
	other := openSealed(t, repo, "state/{host}", key, "agent "+key.Public)
	if r, err := other.Record(t.Context(), "web1"); err != nil || r == nil {
		t.Errorf("web1: %v, %v", r, err)
	}
	if s, err := other.Suspensions(t.Context(), "web2"); err != nil || s != nil {
		t.Errorf("web2: %v, %v", s, err)
	}
	if err := other.Mend(t.Context(), entry("Mend")); err != nil {
		t.Fatal(err)
	}
	if files := repo.Tree("state/web2"); len(files) != 1 || files[0] != "README.md" {
		t.Errorf("state/web2 holds %v", files)
	}
}
