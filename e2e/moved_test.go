package e2e_test

import (
	"slices"
	"testing"

	"github.com/gitsync/gitsync/container"
)

// The README's own path: --repo . first, and then a server, for the same containers.
func TestOwnershipSurvivesTheWayToAServer(t *testing.T) {
	s := newScenario(t, "http")
	server := slices.Clone(s.args)
	s.args[slices.Index(s.args, "--repo")+1] = s.repo.Dir
	s.commit("1-first")
	s.deploy(0)
	s.answers(s.ports[0], "/file?path=/etc/app.conf", "setting = 1\n")
	before := s.find("")
	if before.Labels[container.LabelRepo] == "" {
		t.Errorf("labels %v, want an identity", before.Labels)
	}

	s.args = server
	if code, output := s.gitsync("plan", "--detailed-exitcode"); code != 0 {
		t.Errorf("the plan ends with %d:\n%s", code, output)
	}
	s.deploy(0)
	if got := s.find("").ID; got != before.ID {
		t.Errorf("the container is %s, want %s", got, before.ID)
	}
	// Containers and files are still ours.
	s.commit("2-image")
	s.deploy(0)
	s.answers(s.ports[0], "/env?name=VERSION", "2")
	s.answers(s.ports[0], "/file?path=/etc/app.conf", "setting = 2\n")
	after := s.find("").Labels
	if after[container.LabelRepo] != before.Labels[container.LabelRepo] || after[container.LabelOwner] == before.Labels[container.LabelOwner] {
		t.Errorf("labels %v, want the identity of before, %v", after, before.Labels)
	}
	rows, err := s.engine.List(t.Context(), map[string]string{container.LabelHost: s.name})
	if err != nil || len(rows) != 1 {
		t.Errorf("%v are there, %v, want one container", rows, err)
	}
}
