package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/internal/dockertest"
)

// A host directory that gets another name is deployed in one run: its containers are
// replaced with their volumes, and without permission, or when the new one fails, the old
// ones go on.
func TestRenamedDirectory(t *testing.T) {
	s := newScenario(t, "http")
	other := s.name + "-renamed"
	dockertest.RemoveLabelled(t, s.engine, map[string]string{container.LabelHost: other})
	t.Cleanup(func() { removeManifests(t, other) })
	s.args[slices.Index(s.args, s.name)] += "*"
	containers := func(image, greeting string) string {
		return s.replace(fmt.Sprintf("containers:\n  NAME:\n    image: %s\n    update: {monitor: 300ms}\n    ports: ['127.0.0.1:PORT1:80']\n    stopTimeout: 1s\n"+
			"    mounts: [/data, 'DIR/app.conf:/etc/app.conf:ro']\n    configFiles: {DIR/app.conf: {content: %s, mode: '0644'}}\n", image, greeting))
	}
	rename := func(image, greeting, message string) {
		s.repo.Replace("main", "hosts", map[string]string{"hosts/" + other + "/containers.yaml": containers(image, greeting)}, message)
	}
	s.repo.Commit("main", map[string]string{"hosts/" + s.name + "/containers.yaml": containers("IMAGE1", "one")}, "start")
	s.deploy(0)
	first := s.find("")
	volume := s.volumeAt(first.ID)

	rename("IMAGE2", "two", "rename")
	for range 2 {
		if output := s.deploy(1); !strings.Contains(output, "the repo removes the only container that was deployed") {
			t.Errorf("the report does not say that it is held back:\n%s", output)
		}
	}
	rename("gitsync-test.invalid/missing:1", "two", "an image that is not there\n\nprune: allow")
	s.deploy(1)
	if got := s.find("").ID; got != first.ID {
		t.Fatalf("the container is %s, want %s", got, first.ID)
	}
	s.answers(s.ports[0], "/file?path=/etc/app.conf", "one")

	rename("IMAGE2", "two", "repair it\n\nprune: allow")
	s.deploy(0)
	s.answers(s.ports[0], "/env?name=VERSION", "2")
	s.answers(s.ports[0], "/file?path=/etc/app.conf", "two")
	second := s.find("")
	if got := second.Labels[container.LabelHost]; got != other {
		t.Errorf("the container is of host %s, want %s", got, other)
	}
	if got := s.volumeAt(second.ID); got != volume {
		t.Errorf("the volume is %s, want %s", got, volume)
	}
	s.wantNothingLeft()
	if got := s.repo.Git("ls-tree", "--name-only", "gitsync/state", "hosts/"); got != "hosts/"+other {
		t.Errorf("on record are %q", got)
	}
	diary := s.diary()
	s.deploy(0)
	if got := s.find("").ID; got != second.ID || s.diary() != diary {
		t.Errorf("the next run made container %s of %s, and %d records of %d", got, second.ID, s.diary(), diary)
	}
}

// volumeAt returns the volume that a container has at /data.
func (s *scenario) volumeAt(id string) string {
	s.t.Helper()
	details, err := s.engine.Inspect(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	volume := details.AnonymousVolumes["/data"]
	if volume == "" {
		s.t.Fatalf("there is no volume at /data: %v", details.AnonymousVolumes)
	}
	return volume
}
