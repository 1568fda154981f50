package container_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
)

const identity = "0123456789abcdef0123456789abcdef"

// moved is the same machine, for the repo at another address.
func (w *world) moved(change func(*container.Origin)) *world {
	other := newWorld(w.t)
	other.World = w.World
	other.origin = &container.Origin{Host: "web1", Owner: "elsewhere#main", Repo: identity, Commit: "c2"}
	change(other.origin)
	return other
}

func TestContainersOfAnotherOwnerAreOursOnlyWhenThatIsJudged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.origin.Repo = identity
	w.mustDeploy(spec("web", file("/etc/web.conf", "one")))
	before := w.Containers()["web"].ID
	var seen container.Claim
	judge := func(ours bool) container.Judge {
		return func(_ context.Context, claim container.Claim) (bool, string) {
			seen = claim
			return ours, "it is not known"
		}
	}
	no := w.moved(func(o *container.Origin) { o.Judge = judge(false) })
	err := no.deploy(spec("web", file("/etc/web.conf", "two")))
	if !errors.Is(err, container.ErrBlocked) || !strings.Contains(err.Error(), "gitsync adopt --from 'repo#main'") || !strings.Contains(err.Error(), "it is not known") {
		t.Errorf("deploy: %v", err)
	}
	if seen.Owner != "repo#main" || seen.Repo != identity || !seen.Same || seen.Found || strings.Join(seen.Commits, " ") != "c1" || seen.Recorded {
		t.Errorf("the claim is %+v", seen)
	}
	if got := w.Containers()["web"].ID; got != before {
		t.Error("the container is another one")
	}

	// With its container its config files are ours, and go on to be.
	yes := w.moved(func(o *container.Origin) { o.Judge = judge(true) })
	yes.mustDeploy(spec("web", file("/etc/web.conf", "one")))
	if got := w.Containers()["web"].ID; got != before {
		t.Error("the container was created anew")
	}
	next := spec("web", file("/etc/web.conf", "two"))
	next.Container.Config.Image = "nginx:1.27"
	yes.mustDeploy(next)
	yes.origin.Judge, yes.previous = nil, nil
	yes.mustDeploy(spec("web", file("/etc/web.conf", "three")))
	if f, _ := w.HostFile("/etc/web.conf"); f.Content != "three" {
		t.Errorf("the file holds %q", f.Content)
	}
	if labels := w.Containers()["web"].Labels; labels[container.LabelOwner] != "elsewhere#main" || labels[container.LabelRepo] != identity {
		t.Errorf("labels %v", labels)
	}
}

func TestContainersOfAnotherOwnerAreNotOursWhileSomebodyWorksForIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.origin.Repo = identity
	w.mustDeploy(spec("web"))
	rt, _, err := w.connect(t.Context(), spec("x").Host, container.RuntimeConfig{})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	lease, err := rt.Create(t.Context(), &types.ContainerConfig{Name: container.LeasePrefix + "x-1", Image: "nginx:1.26", Labels: map[string]string{
		container.LabelRole: container.RoleLease, container.LabelHost: "web1", container.LabelLeaseRepo: identity, container.LabelLeaseAddress: "repo#main",
		container.LabelLeaseSince: now.Format(time.RFC3339), container.LabelLeaseUntil: now.Add(time.Minute).Format(time.RFC3339),
	}})
	if err != nil {
		t.Fatal(err)
	}
	other := w.moved(func(o *container.Origin) {
		o.Judge = func(context.Context, container.Claim) (bool, string) { return true, "" }
	})
	if err := other.deploy(spec("web")); !errors.Is(err, container.ErrBlocked) || !strings.Contains(err.Error(), "at repo#main has been working there") {
		t.Errorf("deploy: %v", err)
	}
	if err := rt.Delete(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
	before := w.Containers()["web"].ID
	other.mustDeploy(spec("web"))
	if w.Containers()["web"].ID != before {
		t.Error("the container was created anew")
	}
}

// What a crash left behind before the move is tidied away after it.
func TestLeftoversOfAFormerOwnerAreRemoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.origin.Repo = identity
	w.mustDeploy(spec("web"))
	rt, _, err := w.connect(t.Context(), spec("x").Host, container.RuntimeConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rt.Create(t.Context(), &types.ContainerConfig{Name: "gitsync-config-left", Image: "nginx:1.26", Labels: map[string]string{
		container.LabelRole: "config", container.LabelHost: "web1", container.LabelOwner: "repo#main", container.LabelRepo: identity,
	}}); err != nil {
		t.Fatal(err)
	}
	other := w.moved(func(o *container.Origin) {
		o.Judge = func(context.Context, container.Claim) (bool, string) { return true, "" }
	})
	other.mustDeploy(spec("web"))
	w.want("web=nginx:1.26")
}

// Where it is not sure which identity is ours, that of our own containers is.
func TestTheIdentityOfOurContainersIsOurs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.origin.Repo = identity
	w.mustDeploy(spec("web"))
	w.origin = &container.Origin{Host: "web1", Owner: "repo#main", Repo: strings.Repeat("f", 32), Unsure: true, Commit: "c2"}
	w.previous = nil
	w.mustDeploy(spec("web"), spec("db"))
	if got := w.Containers()["db"].Labels[container.LabelRepo]; got != identity {
		t.Errorf("identity %s, want %s", got, identity)
	}
	// Where it is sure they are another repo's.
	w.origin = &container.Origin{Host: "web1", Owner: "repo#main", Repo: strings.Repeat("f", 32), Commit: "c3"}
	w.previous = nil
	if err := w.deploy(spec("web")); !errors.Is(err, container.ErrBlocked) {
		t.Errorf("deploy: %v, want ErrBlocked", err)
	}
}
