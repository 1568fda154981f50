package sync_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/internal/gittest"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/memory"
	"github.com/gitsync/gitsync/runtime/runtimetest"
	"github.com/gitsync/gitsync/sync"
	"github.com/gitsync/gitsync/trust"
)

// older is a runtime whose containers get the labels of the version that knew no identity.
type older struct{ runtimetest.Full }

func (o older) Create(ctx context.Context, config *types.ContainerConfig) (string, error) {
	delete(config.Labels, container.LabelRepo)
	return o.Full.Create(ctx, config)
}

// deployedBy deploys and records as this version does, or as the one before it did.
func (w *world) deployedBy(old bool) {
	w.t.Helper()
	full := w.watched.Full
	if old {
		w.watched.Full = older{full}
	}
	w.cycle()
	if old {
		w.repo.Remove(branch, "repo.yaml")
	}
	w.watched.Full = full
}

// movesTo is a new gitsync, with what it knows of the repo where that is now: a data
// directory for each address and branch, as the command has.
func (w *world) movesTo(repo *gittest.Repo, address string) {
	w.t.Helper()
	known := w.opts.DataDir
	w.opts.Elsewhere = func(string) *trust.Memory {
		memory, err := trust.OpenMemory(filepath.Join(known, sync.MemoryFile), true)
		if err != nil {
			w.t.Error(err)
		}
		return memory
	}
	w.repo, w.opts.DataDir = repo, w.t.TempDir()
	w.open(address)
}

// copied is a repo with these branches of another one.
func copied(t *testing.T, from *gittest.Repo, branches ...string) *gittest.Repo {
	t.Helper()
	to := gittest.NewRepo(t)
	for _, name := range branches {
		from.Git("push", "--quiet", to.Dir, name+":"+name)
	}
	return to
}

// left checks that only looks were made since the calls were reset.
func (w *world) onlyLooked() {
	w.t.Helper()
	for _, call := range w.watched.Calls() {
		verb := strings.Fields(call)[0]
		helper := slices.Contains([]string{"create", "delete", "read"}, verb) && !strings.Contains(call, "web")
		if !helper && !slices.Contains([]string{"list", "describe", "find", "status", "inspect", "stat"}, verb) {
			w.t.Errorf("a call that changes something: %s", call)
		}
	}
}

const withFile = "    configFiles: {/srv/web.conf: one}\n"

func TestOwnershipSurvivesAMove(t *testing.T) {
	t.Parallel()
	for name, move := range map[string]func(w *world){
		"to another forge": func(w *world) {
			repo := copied(w.t, w.repo, "main", branch)
			w.movesTo(repo, gittest.ServeHTTP(w.t, repo, gittest.HTTPOptions{}).URL)
		},
		"from a directory to a server": func(w *world) {
			w.movesTo(w.repo, gittest.ServeHTTP(w.t, w.repo, gittest.HTTPOptions{}).URL)
		},
		"to another name of the branch": func(w *world) {
			w.repo.Git("branch", "-m", "main", "trunk")
			w.opts.Branch = "trunk"
			w.movesTo(w.repo, w.repo.Dir)
		},
	} {
		for _, old := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, labels of the older version: %t", name, old), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.commit(map[string]string{web1: web("app:1") + withFile, db1: database("db:1")}, "One")
				w.deployedBy(old)
				before := w.machine.Containers()
				move(w)
				w.watched.Reset()
				plan := w.syncer.Plan(t.Context())
				if plan.Failed() || plan.HasChanges() {
					t.Errorf("the plan has changes: %v %+v", problems(plan), plan.Hosts)
				}
				w.cycle()
				w.onlyLooked()
				for name, c := range w.machine.Containers() {
					if c.ID != before[name].ID {
						t.Errorf("%s was created anew", name)
					}
				}
				// It goes on as ever: what changes is replaced, files included, and what
				// leaves is removed.
				w.repo.Commit(w.opts.Branch, map[string]string{
					web1: strings.ReplaceAll(web("app:2")+withFile, "one", "two"), db1: "containers: {}\n",
				}, "Two\n\nprune: allow")
				w.cycle()
				w.runs("web", "app:2")
				w.runs("db", "")
				if f, _ := w.machine.HostFile("/srv/web.conf"); f.Content != "two" {
					t.Errorf("the file holds %q", f.Content)
				}
				labels := w.machine.Containers()["web"].Labels
				if labels[container.LabelOwner] == before["web"].Labels[container.LabelOwner] || !trust.IsIdentity(labels[container.LabelRepo]) {
					t.Errorf("labels %v", labels)
				}
				if want := before["web"].Labels[container.LabelRepo]; want != "" && labels[container.LabelRepo] != want {
					t.Errorf("the identity is %s, want that of before, %s", labels[container.LabelRepo], want)
				}
			})
		}
	}
}

// The README's own way: --repo . first, then only the branch is pushed to a server.
func TestOwnershipSurvivesWhereOnlyTheBranchIsPushed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(map[string]string{web1: web("app:1") + withFile}, "One")
	w.cycle()
	before := w.machine.Containers()["web"]
	repo := copied(t, w.repo, "main")
	w.movesTo(repo, gittest.ServeHTTP(t, repo, gittest.HTTPOptions{}).URL)
	w.watched.Reset()
	if plan := w.syncer.Plan(t.Context()); plan.HasChanges() || plan.Failed() {
		t.Errorf("the plan has changes: %v", problems(plan))
	}
	w.cycle()
	w.onlyLooked()
	if got := w.repo.Show(branch, "repo.yaml"); !strings.Contains(got, before.Labels[container.LabelRepo]) {
		t.Errorf("the new state branch says %q, want identity %s", got, before.Labels[container.LabelRepo])
	}
	w.commit(map[string]string{web1: web("app:2") + withFile}, "Two")
	w.cycle()
	w.runs("web", "app:2")
}

// Without its own knowledge a gitsync takes nothing over on the word of labels alone.
func TestABranchAloneTakesNothingOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(map[string]string{web1: web("app:1")}, "One")
	w.cycle()
	id, repo := w.machine.Containers()["web"].ID, copied(t, w.repo, "main")
	w.movesTo(repo, gittest.ServeHTTP(t, repo, gittest.HTTPOptions{}).URL)
	w.opts.Elsewhere = nil
	w.open(w.opts.Remote.String())
	w.watched.Reset()
	w.fail()
	w.innocent(id)
}

func TestANewStateBranchTakesTheIdentityThatContainersCarry(t *testing.T) {
	t.Parallel()
	for _, lost := range []bool{false, true} {
		w := newWorld(t)
		w.commit(map[string]string{web1: web("app:1"), db1: database("db:1")}, "One")
		w.cycle()
		before := w.machine.Containers()
		w.repo.DeleteBranch(branch)
		if lost {
			w.lostData()
		}
		w.watched.Reset()
		w.cycle()
		w.onlyLooked()
		if got, want := strings.TrimSpace(w.repo.Show(branch, "repo.yaml")), "identity: "+before["web"].Labels[container.LabelRepo]; got != want {
			t.Errorf("lost data %t: the state branch says %q, want %q", lost, got, want)
		}
		for name, c := range w.machine.Containers() {
			if c.ID != before[name].ID {
				t.Errorf("%s is another one", name)
			}
		}
	}
}

func TestCommandsThatOnlyReadMakeNoIdentity(t *testing.T) {
	t.Parallel()
	for _, deployed := range []bool{false, true} {
		w := newWorld(t)
		w.commit(map[string]string{web1: web("app:1")}, "One")
		if deployed {
			w.deployedBy(true)
		}
		w.lostData()
		before := w.repo.Hash(branch)
		first := fmt.Sprint(w.syncer.Plan(t.Context()).Hosts[0].Plan)
		if _, err := w.syncer.History(t.Context(), 3); err != nil {
			t.Error(err)
		}
		if _, err := w.syncer.Desired(t.Context()); err != nil {
			t.Error(err)
		}
		if got := w.repo.Hash(branch); got != before {
			t.Errorf("the state branch was written: %v", w.repo.Log(branch))
		}
		r := w.cycle()
		if got := fmt.Sprint(hostNamed(t, r, "web1").Plan); got != first {
			t.Errorf("the plan was\n%s\nand the run did\n%s", first, got)
		}
		w.watched.Reset()
		w.cycle()
		w.onlyLooked()
	}
}

func TestSeveralThatBeginAtOnceHaveOneIdentity(t *testing.T) {
	t.Parallel()
	repo := gittest.NewRepo(t)
	const many = 6
	files := map[string]string{}
	for i := range many {
		files[fmt.Sprintf("hosts/h%d/containers.yaml", i)] = web("app:1")
	}
	repo.Commit("main", files, "One")
	machines := make([]*memory.World, many)
	var group errgroup.Group
	for i := range machines {
		machines[i] = &memory.World{}
		group.Go(func() error {
			remote, err := gitrepo.NewRemote(repo.Dir, gitrepo.Auth{})
			if err != nil {
				return err
			}
			defer func() { _ = remote.Close() }()
			syncer, err := sync.New(sync.Options{
				Remote: remote, Branch: "main", StateBranch: branch, Hosts: []string{fmt.Sprintf("h%d", i)}, DataDir: t.TempDir(),
				Author: gitrepo.Signature{Name: "gitsync", Email: "gitsync@test"},
				Connector: func(context.Context, host.Host, container.RuntimeConfig) (runtime.Runtime, func(), error) {
					rt, err := (&memory.Config{World: machines[i]}).New()
					return rt, func() {}, err
				},
			})
			if err != nil {
				return err
			}
			defer func() { _ = syncer.Close() }()
			if r := syncer.Once(t.Context()); !r.Converged() {
				return fmt.Errorf("h%d: %v", i, problems(r))
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	want := strings.TrimPrefix(strings.TrimSpace(repo.Show(branch, "repo.yaml")), "identity: ")
	for i, m := range machines {
		if got := m.Containers()["web"].Labels[container.LabelRepo]; got != want || !trust.IsIdentity(got) {
			t.Errorf("h%d: identity %q, want %q", i, got, want)
		}
	}
	identified := 0
	for _, subject := range repo.Log(branch) {
		if strings.HasPrefix(subject, "Identify the repo as ") {
			identified++
		}
	}
	if identified != 1 {
		t.Errorf("%d commits make an identity, want 1", identified)
	}
}

// Containers are deployed also where the state branch cannot be written.
func TestWithoutAnIdentityContainersAreDeployedAsEver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(map[string]string{web1: web("app:1")}, "One")
	w.repo.RefusePushes("closed for today")
	w.fail()
	w.runs("web", "app:1")
	w.repo.RefusePushes("")
	w.wait(time.Hour)
	w.watched.Reset()
	w.cycle()
	w.onlyLooked()
	w.commit(map[string]string{web1: web("app:2")}, "Two")
	w.cycle()
	if got := w.machine.Containers()["web"].Labels[container.LabelRepo]; !trust.IsIdentity(got) {
		t.Errorf("identity %q", got)
	}
}

// All memories are lost while a host does not answer: its containers are ours when it does,
// by the address that they carry, although the others have another identity by then.
func TestALostIdentityRestartsNothingOnAHostThatWasAway(t *testing.T) {
	t.Parallel()
	w, m := newMachines(t)
	files := merged(on("web1", "a", map[string]string{"web": "nginx:1"}), on("web2", "b", map[string]string{"db": "pg:1"}))
	w.commit(files, "One")
	w.cycle()
	before := m.world("b").Containers()["db"]
	m.world("a").Remove("web")
	w.repo.DeleteBranch(branch)
	m.lose("b")
	w.lostData()
	w.fail()
	m.find("b")
	w.wait(time.Hour)
	w.cycle()
	w.cycle()
	after := m.world("b").Containers()["db"]
	if after.ID != before.ID || m.runs("a") != "web" {
		t.Errorf("%+v and %q run, want %+v and web", after, m.runs("a"), before)
	}
	if m.world("a").Containers()["web"].Labels[container.LabelRepo] == before.Labels[container.LabelRepo] {
		t.Error("both have the same identity, so that nothing was tried")
	}
	w.commit(merged(on("web1", "a", map[string]string{"web": "nginx:2"}), on("web2", "b", map[string]string{"db": "pg:2"})), "Two")
	w.cycle()
	if got := m.world("b").Containers()["db"]; got.Image != "pg:2" {
		t.Errorf("db is %+v", got)
	}
}
