package sync_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/internal/gittest"
	"github.com/gitsync/gitsync/runtime/memory"
	"github.com/gitsync/gitsync/runtime/runtimetest"
	"github.com/gitsync/gitsync/sync"
)

// agentFleet are hosts of one group whose gitsyncs run on them. Each has its own machine.
type agentFleet struct {
	repo     *gittest.Repo
	machines map[string]*memory.World
}

// as runs a cycle of the gitsync on a host; of one that runs elsewhere for an empty name.
func (f *agentFleet) as(t *testing.T, host string, do func(*sync.Syncer) *sync.Result) *sync.Result {
	t.Helper()
	w := newWorld(t, func(o *sync.Options) {
		if host != "" {
			o.Hosts, o.Local = []string{host}, true
		}
	})
	if f.machines[host] == nil {
		f.machines[host] = &memory.World{}
	}
	rt, err := (&memory.Config{World: f.machines[host]}).New()
	if err != nil {
		t.Fatal(err)
	}
	w.watched.Full = rt.(runtimetest.Full)
	w.open(f.repo.Dir)
	return do(w.syncer)
}

func (f *agentFleet) cycle(t *testing.T, host string) {
	t.Helper()
	if r := f.as(t, host, func(s *sync.Syncer) *sync.Result { return s.Cycle(t.Context()) }); !r.Converged() {
		t.Fatalf("%s did not converge: %v", host, problems(r))
	}
}

func (f *agentFleet) wantRuns(t *testing.T, host, want string) {
	t.Helper()
	var names []string
	for name := range f.machines[host].Containers() {
		names = append(names, name)
	}
	slices.Sort(names)
	if got := strings.Join(names, " "); got != want {
		t.Errorf("%s runs %q, want %q", host, got, want)
	}
}

func newAgentFleet(t *testing.T) *agentFleet {
	f := &agentFleet{gittest.NewRepo(t), map[string]*memory.World{}}
	f.repo.Commit("main", map[string]string{
		"groups/base/containers.yaml": "containers:\n  log: {image: fluent:1, update: {monitor: 1ms}}\n",
		"hosts/web1/host.yaml":        "agent: true\ngroups: [base]\n",
		"hosts/web2/host.yaml":        "agent: true\ngroups: [base]\n",
		web1:                          database("pg:1"),
		"hosts/web2/containers.yaml":  "containers: {}\n",
	}, "start")
	return f
}

func TestAgentsThatShareAGroupNeedNoAddresses(t *testing.T) {
	f := newAgentFleet(t)
	f.cycle(t, "web1")
	f.cycle(t, "web2")
	f.wantRuns(t, "web1", "db log")
	f.wantRuns(t, "web2", "log")
	f.repo.Commit("main", map[string]string{web1: "containers: {}\n", "hosts/web2/containers.yaml": database("pg:1")}, "Move db")
	f.cycle(t, "web1")
	f.wantRuns(t, "web1", "db log")
	f.cycle(t, "web2")
	f.cycle(t, "web1")
	f.wantRuns(t, "web1", "log")
	f.wantRuns(t, "web2", "db log")
}

func TestAHostWithAnAgentIsLeftToIt(t *testing.T) {
	f := newAgentFleet(t)
	f.cycle(t, "web1")
	r := f.as(t, "", func(s *sync.Syncer) *sync.Result { return s.Cycle(t.Context()) })
	if !errors.Is(r.Err, sync.ErrAgents) {
		t.Errorf("a gitsync elsewhere says %v, want ErrAgents", r.Err)
	}
	f.wantRuns(t, "", "")
	r = f.as(t, "", func(s *sync.Syncer) *sync.Result { return s.Plan(t.Context()) })
	if r.Failed() || len(r.Agents) != 2 || r.Agents[0].Record == nil || r.Agents[1].Record != nil {
		t.Errorf("a look from elsewhere tells %+v of agents, %v", r.Agents, problems(r))
	}
	f.cycle(t, "web2")
	// Nor does a gitsync elsewhere take a host for clean that it does not reach.
	f.repo.Remove("main", "hosts/web1")
	f.repo.Commit("main", map[string]string{"hosts/here/containers.yaml": web("nginx:1")}, "Give web1 up\n\nprune: allow")
	f.cycle(t, "")
	f.wantRuns(t, "", "web")
	f.cycle(t, "web1")
	f.wantRuns(t, "web1", "")
}
