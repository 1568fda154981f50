package container_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/runtime"
)

// assumedPlan plans by the record alone. Whoever connects fails the test.
func assumedPlan(t *testing.T, previous container.ContainersState, desired ...*container.HostConfiguredContainer) (container.Plan, *container.Deployment) {
	t.Helper()
	d, err := (&container.Containers{
		DesiredState: state(desired...), PreviousState: previous, Origin: &container.Origin{Host: "web1", Owner: "acme#main"},
		Connector: func(context.Context, host.Host, container.RuntimeConfig) (runtime.Runtime, func(), error) {
			t.Error("a host is asked")
			return nil, nil, runtime.ErrUnreachable
		},
		Machine: &container.Machine{Host: spec("x").Host, Runtime: spec("x").Container.Runtime},
	}).Deployment()
	if err != nil {
		t.Fatal(err)
	}
	d.Assume()
	return d.Plan(), d
}

func TestAPlanByTheRecordIsThatOfAnUntouchedHost(t *testing.T) {
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			w := c.prepare(t)
			w.previous = w.record()
			want := w.plan(c.after()...).String()
			got, _ := assumedPlan(t, w.previous, c.after()...)
			if diff := cmp.Diff(want, got.String()); diff != "" {
				t.Errorf("the plan without the host differs (-with +without):\n%s", diff)
			}
			if same, _ := assumedPlan(t, w.previous, c.before()...); !same.Empty() {
				t.Errorf("nothing changed, and the plan is\n%s", same)
			}
		})
	}
}

func TestAPlanByTheRecordAlone(t *testing.T) {
	mode := func(path, content string, mode int64) func(*container.HostConfiguredContainer) {
		return func(m *container.HostConfiguredContainer) {
			m.ConfigFiles = map[string]string{path: content}
			m.ConfigFileAttributes = map[string]container.FileAttributes{path: {Mode: mode}}
		}
	}
	for _, tt := range []struct {
		name              string
		previous, desired specs
		want              string
	}{
		{"a host without a record is new", nil, specs{spec("web"), spec("db")},
			"web1:\n  create db: new container\n  create web: new container\n" +
				"    1. pull nginx:1.26 unless present\n    2. create db\n    3. start db\n    4. wait until db is ready\n    5. create web\n    6. start web\n    7. wait until web is ready\n"},
		{"nothing changed", specs{deployed(spec("web", file("/etc/w", "a")))}, specs{spec("web", file("/etc/w", "a"))}, ""},
		{"a container that is gone by the record is created",
			specs{spec("web", image("nginx:1.25"))}, specs{spec("web")},
			"web1:\n  create web: new container\n    1. pull nginx:1.26 unless present\n    2. create web\n    3. start web\n    4. wait until web is ready\n"},
		{"a file is new", specs{deployed(spec("web"))}, specs{spec("web", file("/etc/w", "a"))},
			"web1:\n  restart web: config file /etc/w changed\n    1. stop web\n    2. write /etc/w\n    3. start web\n    4. wait until web is ready\n"},
		{"a file has another content", specs{deployed(spec("web", file("/etc/w", "a")))}, specs{spec("web", file("/etc/w", "b"))},
			"web1:\n  restart web: config file /etc/w changed\n    1. stop web\n    2. write /etc/w\n    3. start web\n    4. wait until web is ready\n"},
		{"a file has another mode", specs{deployed(spec("web", mode("/etc/w", "a", 0o600)))}, specs{spec("web", mode("/etc/w", "a", 0o644))},
			"web1:\n  restart web: config file /etc/w has mode 0600 on the host instead of 0644\n    1. stop web\n    2. write /etc/w\n    3. start web\n    4. wait until web is ready\n"},
		{"a container is no longer wanted", specs{deployed(spec("web")), deployed(spec("db"))}, specs{spec("web")},
			"web1:\n  remove db: no longer desired\n    1. stop db\n    2. remove db\n"},
		{"one that ends by itself is not started again", specs{deployed(spec("once", restart("no")))}, specs{spec("once", restart("no"))}, ""},
		{"one that was not ready is finished", specs{deployed(spec("web", func(m *container.HostConfiguredContainer) { m.ReadyPending = true }))}, specs{spec("web")},
			"web1:\n  finish web: it was not ready the last time\n    1. wait until web is ready\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, _ := assumedPlan(t, state(tt.previous...), tt.desired...)
			if diff := cmp.Diff(tt.want, got.String()); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAPlanByTheRecordCannotBeDeployed(t *testing.T) {
	_, d := assumedPlan(t, state(deployed(spec("web"))), spec("web", image("nginx:1.27")))
	if err := d.Deploy(); !errors.Is(err, container.ErrNotChecked) {
		t.Errorf("deploy: %v, want ErrNotChecked", err)
	}
	if got := d.ToExported().PreviousState["web"].Container.Config.Image; got != "nginx:1.26" {
		t.Errorf("on record is %s, want what was deployed", got)
	}
	if main := d.Current()[0].Containers["web"].Main; main == nil || main.Status != types.StatusRunning {
		t.Errorf("web is taken for %+v, want it to run", main)
	}
}
