package runtimetest

import (
	"context"
	"errors"
	"net"
	"reflect"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
)

func lifeCycle(t *testing.T, s *suite) {
	ctx := testContext(t)
	id, _ := s.create(t)
	if got, want := s.status(t, id), (types.ContainerStatus{ID: id, Status: types.StatusCreated}); got != want {
		t.Errorf("status after create: %+v, want %+v", got, want)
	}
	ok(t, "start", s.rt.Start(ctx, id))
	if got := s.status(t, id).Status; got != types.StatusRunning {
		t.Errorf("status after start: %s", got)
	}
	ok(t, "stop", s.rt.Stop(ctx, id))
	if got := s.status(t, id).Status; got != types.StatusExited {
		t.Errorf("status after stop: %s", got)
	}
	ok(t, "delete", s.rt.Delete(ctx, id))
	if got := s.status(t, id); got.Exists() {
		t.Errorf("status after delete: %+v, want none", got)
	}
	id, config := s.create(t)
	aside := name("aside")
	ok(t, "rename", s.rt.Rename(ctx, id, aside))
	wantErr(t, "delete by a name that it had", s.rt.Delete(ctx, config.Name), runtime.ErrNotFound)
	ok(t, "delete by name", s.rt.Delete(ctx, aside))
	if got := s.status(t, id); got.Exists() {
		t.Errorf("status after delete by name: %+v, want none", got)
	}
}

func idempotence(t *testing.T, s *suite) {
	ctx := testContext(t)
	id, config := s.create(t)
	ok(t, "stop of a container that never ran", s.rt.Stop(ctx, id))
	ok(t, "start", s.rt.Start(ctx, id))
	ok(t, "start again", s.rt.Start(ctx, id))
	ok(t, "stop", s.rt.Stop(ctx, id))
	ok(t, "stop again", s.rt.Stop(ctx, id))
	ok(t, "rename to its own name", s.rt.Rename(ctx, id, config.Name))
}

func unknown(t *testing.T, s *suite) {
	ctx := testContext(t)
	const id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	if status := s.status(t, id); status.Exists() {
		t.Errorf("status: %+v, want none", status)
	}
	wantErr(t, "start", s.rt.Start(ctx, id), runtime.ErrNotFound)
	wantErr(t, "stop", s.rt.Stop(ctx, id), runtime.ErrNotFound)
	wantErr(t, "delete", s.rt.Delete(ctx, id), runtime.ErrNotFound)
	wantErr(t, "rename", s.rt.Rename(ctx, id, name("x")), runtime.ErrNotFound)
	wantErr(t, "copy", s.rt.Copy(ctx, id, []*types.File{{Path: "/x"}}), runtime.ErrNotFound)
	_, err := s.rt.Read(ctx, id, []string{"/x"})
	wantErr(t, "read", err, runtime.ErrNotFound)
	_, err = s.rt.Stat(ctx, id, []string{"/x"})
	wantErr(t, "stat", err, runtime.ErrNotFound)
	_, err = s.rt.Find(ctx, name("nobody"))
	wantErr(t, "find", err, runtime.ErrNotFound)
	_, err = s.rt.Logs(ctx, id, 10)
	wantErr(t, "logs", err, runtime.ErrNotFound)
}

func names(t *testing.T, s *suite) {
	ctx := testContext(t)
	id, config := s.create(t)
	_, err := s.rt.Create(ctx, config)
	wantErr(t, "create with a name that is taken", err, runtime.ErrNameInUse)
	other, _ := s.create(t)
	wantErr(t, "rename to a name that is taken", s.rt.Rename(ctx, other, config.Name), runtime.ErrNameInUse)
	row, err := s.rt.Find(ctx, config.Name)
	ok(t, "find", err)
	if row.ID != id || row.Name != config.Name || row.Image != s.Image {
		t.Errorf("found %+v, want %s %s %s", row, id, config.Name, s.Image)
	}
	if _, err := s.rt.Find(ctx, id[:12]); !errors.Is(err, runtime.ErrNotFound) {
		t.Errorf("find by an ID: %v, want ErrNotFound", err)
	}
}

func deleteRunning(t *testing.T, s *suite) {
	ctx := testContext(t)
	id, _ := s.create(t)
	ok(t, "start", s.rt.Start(ctx, id))
	wantErr(t, "delete", s.rt.Delete(ctx, id), runtime.ErrRunning)
	if got := s.status(t, id).Status; got != types.StatusRunning {
		t.Errorf("status: %s, want running", got)
	}
}

func lists(t *testing.T, s *suite) {
	ctx := testContext(t)
	mark := name("label")
	labelled := func(value string) func(*types.ContainerConfig) {
		return func(c *types.ContainerConfig) { c.Labels = map[string]string{"mark": mark, "kind": value} }
	}
	stopped, _ := s.create(t, labelled("a"))
	running, config := s.create(t, labelled("b"))
	_, _ = s.create(t)
	ok(t, "start", s.rt.Start(ctx, running))
	for filter, want := range map[string][]string{"": {stopped, running}, "a": {stopped}, "c": nil} {
		rows, err := s.rt.List(ctx, map[string]string{"mark": mark, "kind": filter})
		ok(t, "list", err)
		got := map[string]bool{}
		for _, row := range rows {
			got[row.ID] = true
			if row.ID == running && (row.Name != config.Name || row.Status != types.StatusRunning || row.Labels["mark"] != mark || row.Created.IsZero()) {
				t.Errorf("row %+v", row)
			}
		}
		for _, id := range want {
			if !got[id] {
				t.Errorf("kind %q: %s is missing", filter, id)
			}
		}
		if len(rows) != len(want) {
			t.Errorf("kind %q: %d rows, want %d", filter, len(rows), len(want))
		}
	}
}

func renames(t *testing.T, s *suite) {
	ctx := testContext(t)
	id, config := s.create(t)
	ok(t, "start", s.rt.Start(ctx, id))
	renamed := name("renamed")
	ok(t, "rename", s.rt.Rename(ctx, id, renamed))
	row, err := s.rt.Find(ctx, renamed)
	ok(t, "find by the new name", err)
	if row.ID != id || row.Status != types.StatusRunning {
		t.Errorf("found %+v, want %s running", row, id)
	}
	_, err = s.rt.Find(ctx, config.Name)
	wantErr(t, "find by the old name", err, runtime.ErrNotFound)
}

func hostPorts(t *testing.T, s *suite) {
	ctx := testContext(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, "find a free port", err)
	port := listener.Addr().(*net.TCPAddr).Port
	ok(t, "free the port", listener.Close())
	mark := name("port")
	publish := func(c *types.ContainerConfig) {
		c.Labels = map[string]string{"mark": mark}
		c.Ports = []types.PortMap{{IP: "127.0.0.1", Port: 80, HostPort: port}}
	}
	first, _ := s.create(t, publish)
	second, _ := s.create(t, publish)
	ok(t, "start the first", s.rt.Start(ctx, first))
	wantErr(t, "start the second", s.rt.Start(ctx, second), runtime.ErrPortInUse)
	rows, err := s.rt.List(ctx, map[string]string{"mark": mark})
	ok(t, "list", err)
	for _, row := range rows {
		if publishes := len(row.Ports) == 1 && row.Ports[0].Published() == port; publishes != (row.ID == first) {
			t.Errorf("row %+v, want port %d at the first alone", row, port)
		}
	}
	ok(t, "stop the first", s.rt.Stop(ctx, first))
	ok(t, "start the second then", s.rt.Start(ctx, second))
}

func images(t *testing.T, s *suite) {
	ctx := testContext(t)
	has, err := s.rt.HasImage(ctx, s.Image)
	ok(t, "look for an image", err)
	if !has {
		t.Errorf("image %s is not there", s.Image)
	}
	has, err = s.rt.HasImage(ctx, s.MissingImage)
	ok(t, "look for a missing image", err)
	if has {
		t.Errorf("image %s is there", s.MissingImage)
	}
	wantErr(t, "pull", s.rt.Pull(ctx, s.MissingImage, runtime.PullOptions{}), runtime.ErrImageNotFound)
	_, err = s.rt.Create(ctx, &types.ContainerConfig{Name: name("missing"), Image: s.MissingImage})
	wantErr(t, "create", err, runtime.ErrImageNotFound)
}

func configs(t *testing.T, s *suite) {
	make := func() *types.ContainerConfig {
		return &types.ContainerConfig{
			Name: "x", Image: s.Image, CapAdd: []string{"NET_RAW", "CHOWN"}, CapDrop: []string{"MKNOD"},
			Env: map[string]string{"A": "b"}, Labels: map[string]string{"c": "d"},
			Mounts: []types.Mount{{Source: s.TempDir, Target: "/data"}}, Hostname: "box", Memory: 32 << 20, CPUs: 0.5,
			ExtraHosts: []string{"other:10.1.2.3"}, Tmpfs: map[string]string{"/scratch": "size=1m"}, Workdir: "/",
			Healthcheck: &types.Healthcheck{Test: []string{"NONE"}}, Restart: "on-failure:3",
		}
	}
	id, config := s.create(t, func(c *types.ContainerConfig) {
		unique := c.Name
		*c = *make()
		c.Name = unique
	})
	want := make()
	want.Name = config.Name
	if !reflect.DeepEqual(config, want) {
		t.Errorf("config was changed: %+v, want %+v", config, want)
	}
	ok(t, "start", s.rt.Start(testContext(t), id))
}

func groupAlone(t *testing.T, s *suite) {
	_, err := s.rt.Create(testContext(t), &types.ContainerConfig{Name: name("group"), Image: s.Image, Group: "1"})
	wantErr(t, "create", err, runtime.ErrInvalid)
}

func cancelled(t *testing.T, s *suite) {
	id, _ := s.create(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	calls := map[string]func() error{
		"create": func() error {
			_, err := s.rt.Create(ctx, &types.ContainerConfig{Name: name("x"), Image: s.Image})
			return err
		},
		"start":  func() error { return s.rt.Start(ctx, id) },
		"stop":   func() error { return s.rt.Stop(ctx, id) },
		"delete": func() error { return s.rt.Delete(ctx, id) },
		"rename": func() error { return s.rt.Rename(ctx, id, name("x")) },
		"copy":   func() error { return s.rt.Copy(ctx, id, []*types.File{{Path: "/x"}}) },
		"status": func() error { _, err := s.rt.Status(ctx, id); return err },
		"read":   func() error { _, err := s.rt.Read(ctx, id, []string{"/x"}); return err },
		"stat":   func() error { _, err := s.rt.Stat(ctx, id, []string{"/x"}); return err },
		"list":   func() error { _, err := s.rt.List(ctx, nil); return err },
		"find":   func() error { _, err := s.rt.Find(ctx, "x"); return err },
		"pull":   func() error { return s.rt.Pull(ctx, s.MissingImage, runtime.PullOptions{}) },
		"image":  func() error { _, err := s.rt.HasImage(ctx, s.Image); return err },
		"logs":   func() error { _, err := s.rt.Logs(ctx, id, 1); return err },
	}
	for method, call := range calls {
		wantErr(t, method, call(), context.Canceled)
	}
}

func concurrent(t *testing.T, s *suite) {
	ctx := testContext(t)
	mark := name("many")
	var group errgroup.Group
	for range 4 {
		id, _ := s.create(t, func(c *types.ContainerConfig) { c.Labels = map[string]string{"mark": mark} })
		group.Go(func() error { return s.rt.Start(ctx, id) })
		group.Go(func() error {
			_, err := s.rt.List(ctx, map[string]string{"mark": mark})
			return err
		})
	}
	ok(t, "start and list", group.Wait())
}
