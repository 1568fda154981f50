package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/container"
)

// Commits change what runs, and nothing else does: each step of a container's life,
// from the first deployment to its removal.
func TestLifecycle(t *testing.T) {
	for transport := range transports {
		t.Run(transport, func(t *testing.T) {
			s := newScenario(t, transport)
			first := s.commit("1-first")
			s.deploy(0)
			s.answers(s.ports[0], "/env?name=VERSION", "1")
			s.answers(s.ports[0], "/env?name=GREETING", "hello")
			s.answers(s.ports[0], "/file?path=/etc/app.conf", "setting = 1\n")
			s.answers(s.ports[0], "/file?path=/etc/inline.conf", "inline\n")
			if got := s.find("").Labels[container.LabelCommit]; got != first {
				t.Errorf("the container's commit is %s, want %s", got, first)
			}

			before, diary := s.find("").ID, s.diary()
			s.deploy(0)
			if got := s.find("").ID; got != before || s.diary() != diary {
				t.Errorf("a cycle without a change made container %s of %s, and %d state commits of %d", got, before, s.diary(), diary)
			}

			s.commit("2-image")
			s.deploy(0)
			s.answers(s.ports[0], "/env?name=VERSION", "2")
			s.commit("3-env")
			s.deploy(0)
			s.answers(s.ports[0], "/env?name=GREETING", "good morning")
			s.commit("4-config-file")
			s.deploy(0)
			s.answers(s.ports[0], "/file?path=/etc/app.conf", "setting = 2\n")
			s.commit("5-port")
			s.deploy(0)
			s.answers(s.ports[1], "/", "ok")
			s.commit("6-removed")
			s.deploy(0)
			if got := s.find(""); got.ID != "" {
				t.Errorf("the container is still there: %+v", got)
			}
			s.wantNothingLeft()
			s.wantDiary("6-removed", "5-port", "4-config-file", "3-env", "2-image", "1-first")
		})
	}
}

// wantNothingLeft checks that no helper and no replaced container stayed.
func (s *scenario) wantNothingLeft() {
	s.t.Helper()
	rows, err := s.engine.List(s.t.Context(), map[string]string{container.LabelHost: s.name})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, row := range rows {
		s.t.Errorf("left behind: %+v", row)
	}
}

// wantDiary checks that the state branch has an entry for each commit, newest first.
func (s *scenario) wantDiary(subjects ...string) {
	s.t.Helper()
	var sources []string
	for line := range strings.Lines(s.repo.Git("log", "--invert-grep", "--grep=^Identify the repo", "--format=%(trailers:key=Gitsync-Source,valueonly,separator=%x2C)", "gitsync/state")) {
		sources = append(sources, s.repo.Git("log", "-1", "--format=%s", strings.TrimSpace(line)))
	}
	if got, want := strings.Join(sources, " "), strings.Join(subjects, " "); got != want {
		s.t.Errorf("the state branch tells of %s, want %s", got, want)
	}
}

// What somebody does by hand is put right by the next cycle.
func TestRepair(t *testing.T) {
	s := newScenario(t, "http")
	s.commit("1-first")
	s.deploy(0)
	s.answers(s.ports[0], "/", "ok")

	removed := s.find("")
	if err := s.engine.Stop(t.Context(), removed.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.engine.Delete(t.Context(), removed.ID); err != nil {
		t.Fatal(err)
	}
	s.deploy(0)
	s.answers(s.ports[0], "/", "ok")

	stopped := s.find("")
	if err := s.engine.Stop(t.Context(), stopped.ID); err != nil {
		t.Fatal(err)
	}
	s.deploy(0)
	s.answers(s.ports[0], "/", "ok")
	if got := s.find("").ID; got != stopped.ID {
		t.Errorf("a stopped container was created anew")
	}

	if err := os.WriteFile(filepath.Join(s.dir, "app.conf"), []byte("by hand"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.deploy(0)
	s.answers(s.ports[0], "/file?path=/etc/app.conf", "setting = 1\n")

	running := s.find("").ID
	s.repo.DeleteBranch("gitsync/state")
	s.deploy(0)
	if got := s.find("").ID; got != running {
		t.Errorf("a lost state branch restarted the container")
	}
	if s.diary() != 1 {
		t.Errorf("the state branch has %d commits, want 1", s.diary())
	}
}

// A commit that does not validate, or cannot be deployed, leaves what runs; the next
// good one is deployed.
func TestBadCommits(t *testing.T) {
	s := newScenario(t, "http")
	s.commit("1-first")
	s.deploy(0)
	before := s.find("").ID

	s.commit("2-invalid")
	if output := s.deploy(1); !strings.Contains(output, "hosts/"+s.name+"/containers.yaml:6:13: ") {
		t.Errorf("the mistake's place is not told:\n%s", output)
	}
	s.commit("3-no-such-image")
	s.deploy(1)
	s.commit("4-does-not-start")
	s.deploy(1)
	if got := s.find("").ID; got != before {
		t.Errorf("a bad commit replaced the container")
	}
	s.answers(s.ports[0], "/env?name=VERSION", "1")

	s.commit("5-good")
	s.deploy(0)
	s.answers(s.ports[0], "/env?name=VERSION", "2")
}

// A forced push goes back to what the branch says now, and somebody else's work on
// the state branch is kept.
func TestForcePushAndSharedState(t *testing.T) {
	s := newScenario(t, "ssh")
	first := s.commit("1-first")
	s.deploy(0)
	s.commit("2-image")
	s.repo.Commit("gitsync/state", map[string]string{"hosts/other/state.yaml": "theirs"}, "theirs")
	s.deploy(0)
	s.answers(s.ports[0], "/env?name=VERSION", "2")
	if got := s.repo.Show("gitsync/state", "hosts/other/state.yaml"); got != "theirs" {
		t.Errorf("their record holds %q", got)
	}
	s.repo.ResetBranch("main", first)
	s.deploy(0)
	s.answers(s.ports[0], "/env?name=VERSION", "1")
}

// A name and a file that gitsync did not make are left alone, and the error says so.
func TestHandsOff(t *testing.T) {
	s := newScenario(t, "http")
	if err := os.WriteFile(filepath.Join(s.dir, "app.conf"), []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.commit("1-first")
	if output := s.deploy(1); !strings.Contains(output, "gitsync did not create it") {
		t.Errorf("the error does not say whose the file is:\n%s", output)
	}
	if got, err := os.ReadFile(filepath.Join(s.dir, "app.conf")); string(got) != "theirs" {
		t.Errorf("the file holds %q, %v", got, err)
	}
}
