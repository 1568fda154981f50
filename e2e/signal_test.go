package e2e_test

import (
	"bytes"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// A daemon deploys each commit, and ends in good order when it is told to.
func TestDaemon(t *testing.T) {
	s := newScenario(t, "http")
	s.commit("1-first")
	built, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	daemon := exec.CommandContext(t.Context(), built, append([]string{"run", "--interval", "100ms"}, s.args...)...)
	daemon.Stdout, daemon.Stderr = &log, &log
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- daemon.Wait() }()
	s.answers(s.ports[0], "/env?name=VERSION", "1")
	s.commit("2-image")
	s.answers(s.ports[0], "/env?name=VERSION", "2")
	removed := s.find("")
	if err := s.engine.Stop(t.Context(), removed.ID); err != nil {
		t.Fatal(err)
	}
	s.answers(s.ports[0], "/", "ok")
	if err := daemon.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the daemon ended with %v:\n%s", err, &log)
		}
	case <-time.After(30 * time.Second):
		_ = daemon.Process.Kill()
		t.Fatal("the daemon does not end")
	}
	s.answers(s.ports[0], "/", "ok")
}

// Killed without warning in the middle of an update, gitsync leaves nothing that the
// next cycle cannot put right.
func TestKilledDuringAnUpdate(t *testing.T) {
	s := newScenario(t, "http")
	s.commit("1-first")
	s.deploy(0)
	s.commit("2-image")
	built, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	for _, after := range []time.Duration{50, 100, 150, 200, 250, 300, 400} {
		update := exec.CommandContext(t.Context(), built, append([]string{"run", "--once"}, s.args...)...)
		if err := update.Start(); err != nil {
			t.Fatal(err)
		}
		kill := time.AfterFunc(after*time.Millisecond, func() { _ = update.Process.Kill() })
		_ = update.Wait()
		kill.Stop()
	}
	s.deploy(0)
	s.answers(s.ports[0], "/env?name=VERSION", "2")
	s.commit("3-removed")
	s.deploy(0)
	s.wantNothingLeft()
}
