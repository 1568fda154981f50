package sync_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/sync"
)

// fleet is a commit in which each of six hosts has a container of its own name.
func fleet(settings, image string, change ...string) map[string]string {
	files := map[string]string{"gitsync.yaml": settings}
	for i := 1; i <= 6; i++ {
		files[fmt.Sprintf("hosts/h%d/containers.yaml", i)] = fmt.Sprintf("containers:\n  c%d: {image: %s, update: {monitor: 1ms}}\n", i, image)
	}
	for i := 0; i+1 < len(change); i += 2 {
		files["hosts/"+change[i]+"/containers.yaml"] = fmt.Sprintf("containers:\n  c%s: {image: %s, update: {monitor: 1ms}}\n", change[i][1:], change[i+1])
	}
	return files
}

// follow returns the hosts whose containers run the image.
func (w *world) follow(image string) string {
	var hosts []string
	for name, c := range w.machine.Containers() {
		if c.Image == image && c.Status == "running" {
			hosts = append(hosts, "h"+strings.TrimPrefix(name, "c"))
		}
	}
	slices.Sort(hosts)
	return strings.Join(hosts, " ")
}

func (w *world) wantFollow(image, hosts string) {
	w.t.Helper()
	if got := w.follow(image); got != hosts {
		w.t.Errorf("%s runs on %q, want %q", image, got, hosts)
	}
}

const allHosts = "h1 h2 h3 h4 h5 h6"

// startFleet deploys a:1 to all hosts, without a roll-out.
func startFleet(t *testing.T, change ...func(*sync.Options)) *world {
	w := newBrokenWorld(t, change...)
	w.commit(fleet("", "a:1"), "start")
	w.cycle()
	w.wantFollow("a:1", allHosts)
	return w
}

func TestCanariesFollowFirstAndAreWatched(t *testing.T) {
	w := startFleet(t)
	w.commit(fleet("rollout: {canary: [h3, h5], monitor: 10m}", "a:2"), "next")
	r := w.fail()
	w.wantFollow("a:2", "h3 h5")
	if r.Rollout == nil || r.Rollout.Until != w.time().Add(10*time.Minute) {
		t.Fatalf("roll-out: %v", r.Rollout)
	}
	if want := "roll-out: 2 of 6 hosts done, the canaries are watched until 04:15:06 UTC; waiting: h1, h2 and 2 more hosts"; r.Rollout.String() != want {
		t.Errorf("it stands at %q, want %q", r.Rollout, want)
	}
	w.wait(9 * time.Minute)
	w.machine.Remove("c1")
	w.fail()
	w.wantFollow("a:2", "h3 h5")
	w.wantFollow("a:1", "h1 h2 h4 h6")
	w.wait(2 * time.Minute)
	w.cycle()
	w.wantFollow("a:2", allHosts)
}

func TestACanaryThatDoesNotStayWellStopsTheRollOut(t *testing.T) {
	w := startFleet(t)
	w.commit(fleet("rollout: {canary: 1, monitor: 10m}", "a:2"), "next")
	w.fail()
	w.machine.SetStatus("c1", "restarting")
	w.wait(11 * time.Minute)
	r := w.fail()
	w.wantFollow("a:2", "")
	if r.Rollout == nil || r.Rollout.Stopped != "h1 failed" {
		t.Errorf("roll-out: %v", r.Rollout)
	}
}

func TestAFailedHostStopsTheRollOutAndTheNextCommitGoesOn(t *testing.T) {
	w := startFleet(t)
	settings := "rollout: {canary: 1, parallelism: 2}"
	w.commit(fleet(settings, "a:2", "h3", crash), "h3 cannot work")
	r := w.fail()
	w.wantFollow("a:2", "h1 h2")
	w.wantFollow("a:1", "h3 h4 h5 h6")
	if r.Rollout == nil || r.Rollout.Stopped != "h3 failed" || !slices.Equal(r.Rollout.Waiting, []string{"h4", "h5", "h6"}) {
		t.Errorf("roll-out: %+v", r.Rollout)
	}
	w.open(w.repo.Dir)
	if plan := w.syncer.Plan(t.Context()); plan.Rollout == nil || plan.Rollout.String() != "roll-out: 2 of 6 hosts done, stopped: h3 failed; waiting: h4, h5, h6" {
		t.Errorf("a plan tells %v", plan.Rollout)
	}
	if _, err := w.syncer.Retry(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	r = w.fail()
	w.wantFollow("a:1", "h3 h4 h5 h6")
	if r.Rollout == nil || r.Rollout.Stopped != "h3 failed" {
		t.Errorf("roll-out in a new process: %+v", r.Rollout)
	}
	w.commit(fleet(settings, "a:2"), "h3 mended")
	w.cycle()
	w.wantFollow("a:2", allHosts)
}

func TestNewHostsWaitForTheirTurnWithoutAnError(t *testing.T) {
	w := newBrokenWorld(t)
	w.commit(fleet("rollout: {canary: 1, monitor: 1m}", "a:1"), "start")
	r := w.fail()
	w.wantFollow("a:1", "h1")
	for _, h := range r.Hosts {
		if h.Err != nil {
			t.Errorf("%s: %v", h.Name, h.Err)
		}
	}
	w.wait(2 * time.Minute)
	w.cycle()
	w.wantFollow("a:1", allHosts)
}

func TestCanariesByCountAreOfTheHostsThatACommitChanges(t *testing.T) {
	w := startFleet(t)
	files := fleet("rollout: {canary: 1, monitor: 10m}", "a:1", "h4", "a:2", "h5", "a:2", "h6", "a:2")
	w.commit(files, "the last three")
	r := w.fail()
	w.wantFollow("a:2", "h4")
	if want := "roll-out: 1 of 3 hosts done, the canaries are watched until 04:15:06 UTC; waiting: h5, h6"; r.Rollout == nil || r.Rollout.String() != want {
		t.Errorf("it stands at %v, want %q", r.Rollout, want)
	}
	w.wait(11 * time.Minute)
	w.cycle()
	w.wantFollow("a:2", "h4 h5 h6")
}

func TestWhatFailedWithAnOlderCommitHoldsUpNoneButACanary(t *testing.T) {
	for broken, follow := range map[string]string{"h3": "h6", "h1": ""} {
		t.Run(broken+" is broken", func(t *testing.T) {
			w := startFleet(t)
			settings := "rollout: {canary: [h1]}"
			w.commit(fleet(settings, "a:1", broken, crash), "broken")
			w.fail()
			w.commit(fleet(settings, "a:1", broken, crash, "h6", "a:2"), "something else")
			w.fail()
			w.wantFollow("a:2", follow)
		})
	}
}

func TestAHostThatRecoversLetsTheRollOutGoOn(t *testing.T) {
	w := startFleet(t)
	w.commit(fleet("rollout: {parallelism: 1}", crash), "cannot work yet")
	w.fail()
	w.wantFollow("a:1", allHosts)
	w.machine.Behave(crash, newBehaviour)
	w.wait(time.Minute)
	w.cycle()
	w.wantFollow(crash, allHosts)
}

func TestARollOutMayGoOnWhenAHostFails(t *testing.T) {
	w := startFleet(t)
	w.commit(fleet("rollout: {canary: 1, parallelism: 1, onFailure: continue}", "a:2", "h2", crash), "h2 cannot work")
	w.fail()
	w.wantFollow("a:2", "h1 h3 h4 h5 h6")
	w.wantFollow("a:1", "h2")
}

func TestHostsFollowInBatches(t *testing.T) {
	w := startFleet(t)
	w.watched.Reset()
	w.commit(fleet("rollout: {parallelism: 2}", "a:2"), "next")
	w.cycle()
	var order []string
	for _, call := range w.watched.Calls() {
		if name, ok := strings.CutPrefix(call, "create "); ok && !strings.HasPrefix(name, container.LeasePrefix) {
			order = append(order, name[:2])
		}
	}
	batches := []map[string]bool{{}, {}, {}}
	for i, name := range order {
		batches[i/2][name] = true
	}
	for i, want := range []map[string]bool{{"c1": true, "c2": true}, {"c3": true, "c4": true}, {"c5": true, "c6": true}} {
		if !maps.Equal(batches[i], want) {
			t.Errorf("batch %d is %v, want %v", i+1, batches[i], want)
		}
	}
}

func TestAnAgentWaitsForTheCanaryOfAnother(t *testing.T) {
	w := startFleet(t)
	w.opts.Hosts = []string{"h4"}
	w.open(w.repo.Dir)
	w.commit(fleet("rollout: {canary: [h1]}", "a:2"), "next")
	w.fail()
	w.wantFollow("a:2", "")
	w.opts.Hosts = []string{"h1"}
	w.open(w.repo.Dir)
	w.syncer.Cycle(t.Context())
	w.wantFollow("a:2", "h1")
	w.opts.Hosts = []string{"h4"}
	w.open(w.repo.Dir)
	w.syncer.Cycle(t.Context())
	w.wantFollow("a:2", "h1 h4")
}

func TestOnceRunsARollOutToItsEnd(t *testing.T) {
	w := startFleet(t)
	w.opts.Now = time.Now
	w.open(w.repo.Dir)
	w.commit(fleet("rollout: {canary: 1, monitor: 50ms}", "a:2"), "next")
	if r := w.syncer.Once(t.Context()); !r.Converged() {
		t.Fatalf("it did not converge: %v", problems(r))
	}
	w.wantFollow("a:2", allHosts)
}
