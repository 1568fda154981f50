package e2e_test

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/internal/dockertest"
)

// daemon runs the binary until the end of the test, with polls an hour apart: what it does
// in between it does because it was told.
func (s *scenario) daemon() {
	s.t.Helper()
	cmd := s.start("run", "--interval", "1h")
	s.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
}

// docker runs the docker command of a person.
func (s *scenario) docker(args ...string) {
	s.t.Helper()
	if output, err := exec.CommandContext(s.t.Context(), "docker", args...).CombinedOutput(); err != nil {
		s.t.Fatalf("docker %v: %v: %s", args, err, output)
	}
}

// memory returns the memory limit of a container.
func (s *scenario) memory(suffix string) types.Bytes {
	facts, err := s.engine.Describe(s.t.Context(), s.find(suffix).ID)
	if err != nil {
		return 0
	}
	return facts.Config.Memory
}

// recorded waits until the newest line of the diary says this.
func (s *scenario) recorded(text string) {
	s.t.Helper()
	subject := ""
	s.eventually("the diary says "+text, func() bool {
		subject = s.repo.Log("gitsync/state")[0]
		return strings.Contains(subject, text)
	}, &subject)
}

// driftReport is what gitsync drift prints, with its exit status.
func (s *scenario) driftReport() (int, string) {
	s.t.Helper()
	return s.gitsync("drift")
}

// What a person does by hand is seen through the engine's events, and repaired or reported
// as the repo says; polls have no part in it.
func TestDriftIsSeenAtOnce(t *testing.T) {
	s := newScenario(t, "http")
	s.commit("1-first")
	s.daemon()
	s.answers(s.ports[0], "/", "ok")
	s.eventually("both containers are recorded", func() bool { return s.find("-watched").Status == types.StatusRunning && s.diary() > 0 }, new(string))

	first := s.find("").ID
	s.docker("rm", "-f", s.name)
	s.eventually("the removed container is back", func() bool { return s.find("").ID != "" && s.find("").ID != first }, new(string))
	s.answers(s.ports[0], "/", "ok")

	second := s.find("").ID
	s.docker("update", "--memory", "128m", "--memory-swap", "256m", s.name)
	s.eventually("the limit is put back", func() bool { return s.memory("") == 64<<20 }, new(string))
	if got := s.find("").ID; got != second {
		t.Errorf("the container was replaced for a limit: %s, want %s", got, second)
	}

	s.recorded("adjust " + s.name)
	s.docker("stop", s.name+"-watched")
	s.recorded("Find drift")
	if got := s.find("-watched").Status; got != types.StatusExited {
		t.Errorf("a container whose drift is only reported is %s, want exited", got)
	}
	code, output := s.driftReport()
	if code != 2 || !strings.Contains(output, "status") || !strings.Contains(output, s.name+"-watched") {
		t.Errorf("gitsync drift exits with %d:\n%s", code, output)
	}
	s.docker("start", s.name+"-watched")
	s.recorded("is gone")
}

// A suspended container is left alone, whatever a person does to it.
func TestASuspendedContainerIsLeftAlone(t *testing.T) {
	s := newScenario(t, "http")
	s.commitOf("TestDriftIsSeenAtOnce", "1-first")
	s.deploy(0)
	if code, output := s.gitsync("suspend", s.name+"/"+s.name, "--reason", "restore running", "--for", "2h"); code != 0 {
		t.Fatalf("suspend exits with %d:\n%s", code, output)
	}
	s.daemon()
	s.docker("stop", s.name)
	s.recorded("Find drift")
	if code, output := s.driftReport(); code != 2 || !strings.Contains(output, "restore running") {
		t.Errorf("gitsync drift exits with %d:\n%s", code, output)
	}
	if got := s.find("").Status; got != types.StatusExited {
		t.Errorf("the suspended container is %s, want exited", got)
	}
	if code, output := s.gitsync("resume", s.name+"/"+s.name); code != 0 {
		t.Fatalf("resume exits with %d:\n%s", code, output)
	}
	if code, output := s.gitsync("apply"); code != 0 {
		t.Fatalf("apply exits with %d:\n%s", code, output)
	}
	s.answers(s.ports[0], "/", "ok")
}

// What happens while no events come (the engine is restarted) is found afterwards, and
// events are followed again.
func TestEventsAreFollowedAgainAfterTheEngineWasAway(t *testing.T) {
	engine := dockertest.StartEngine(t, 0)
	s := newScenarioOn(t, "http", engine.Runtime, engine.Dir, "SOCKET", engine.Socket)
	s.commitOf("TestEngineRestartedDuringAnUpdate", "1-first")
	s.daemon()
	s.answers(s.ports[0], "/env?name=VERSION", "1")
	s.eventually("the deployment is recorded", func() bool { return s.diary() > 0 }, new(string))
	engine.Kill(t)
	engine.Start(t)
	docker := func(args ...string) {
		t.Helper()
		s.docker(append([]string{"-H", "unix://" + engine.Socket}, args...)...)
	}
	docker("rm", "-f", s.name)
	s.answers(s.ports[0], "/env?name=VERSION", "1")
	removed := s.find("").ID
	docker("rm", "-f", removed)
	s.eventually("the container is back, by an event", func() bool {
		id := s.find("").ID
		return id != "" && id != removed
	}, new(string))
}
