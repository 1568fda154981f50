package e2e_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
)

// monitored makes an image the desired one of a container that is watched for a while.
func (s *scenario) monitored(image string) {
	s.t.Helper()
	s.repo.Commit("main", map[string]string{"hosts/" + s.name + "/containers.yaml": s.replace(fmt.Sprintf(
		"containers:\n  NAME:\n    image: %s\n    networkMode: none\n    stopTimeout: 1s\n    mounts: [{type: volume, target: /data}]\n    update: {monitor: 4s}\n", image))}, image)
}

// leases are those of the scenario's host.
func (s *scenario) leases() []types.ContainerSummary {
	s.t.Helper()
	rows, err := s.engine.List(s.t.Context(), map[string]string{container.LabelRole: container.RoleLease, container.LabelHost: s.name})
	if err != nil {
		s.t.Fatal(err)
	}
	return rows
}

// Two binaries on one engine take turns: neither takes back what the other one does, an
// operator's command waits for the daemon, and a killed process is not waited for by
// whoever follows it in its data directory.
func TestTwoInstancesOnOneEngineTakeTurns(t *testing.T) {
	t.Parallel()
	s := newScenario(t, "http")
	other := *s
	other.args = slices.Clone(s.args)
	other.args[slices.Index(other.args, "--data-dir")+1] = filepath.Join(s.dir, "other")
	f := &fleet{t: t}
	held := func() bool { return len(s.leases()) > 0 }
	free := func() bool { return len(s.leases()) == 0 }

	s.monitored("IMAGE1")
	daemon := s.start("run", "--interval", "200ms")
	ended := false
	t.Cleanup(func() {
		if !ended {
			_ = daemon.Process.Kill()
			_ = daemon.Wait()
		}
	})
	f.eventually("the daemon holds the lease", held)
	row := s.leases()[0]
	if row.Status != types.StatusCreated || !strings.HasPrefix(row.Name, container.LeasePrefix) {
		t.Errorf("the lease is %+v, want a container that was never started", row)
	}
	if _, status := other.gitsync("status", "--output", "json"); !strings.Contains(status, `"instance": "`+row.Labels[container.LabelLeaseInstance]+`"`) {
		t.Errorf("the status does not show who works:\n%s", status)
	}
	f.eventually("the daemon gives the lease back", free)
	s.noteVolumes()

	s.monitored("IMAGE2")
	f.eventually("the daemon works again", held)
	if code, output := other.gitsync("apply"); code != 0 || !strings.Contains(output, "waiting for another gitsync instance") {
		t.Errorf("apply exits with %d, want 0 after a wait:\n%s", code, output)
	}
	if c := s.find(""); c.Image != s.replace("IMAGE2") || c.Status != types.StatusRunning {
		t.Errorf("%+v, want it to run the new image", c)
	}

	s.monitored("IMAGE1")
	f.eventually("the daemon works once more", held)
	_ = daemon.Process.Kill()
	_ = daemon.Wait()
	ended = true
	if !held() {
		t.Fatal("the killed process left no lease")
	}
	code, output := s.gitsync("run", "--once")
	if code != 0 || strings.Contains(output, "waiting for another gitsync instance") {
		t.Errorf("its successor exits with %d, want 0 without a wait:\n%s", code, output)
	}
	if c := s.find(""); c.Image != s.replace("IMAGE1") || len(s.leases()) > 0 {
		t.Errorf("%+v, leases %+v", c, s.leases())
	}
}
