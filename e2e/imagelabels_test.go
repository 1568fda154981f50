package e2e_test

import (
	"errors"
	"os/exec"
	"slices"
	"testing"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/internal/dockertest"
)

// A stranger's running container whose image carries our labels is left alone, with the
// record and without it, and also after the image was removed by force.
func TestAContainerThatHasOurLabelsFromItsImageIsNotOurs(t *testing.T) {
	b := newDriftBench(t)
	desired := container.ContainersState{"web": b.spec("web", func(*types.ContainerConfig) {})}
	b.deploy(desired)
	labels := map[string]string{container.LabelHost: b.name, container.LabelOwner: "test", container.LabelCommit: "c1"}
	labelled := func(key, role string) string {
		labels[container.LabelContainer], labels[container.LabelRole] = key, role
		return dockertest.LabelledImage(t, labels)
	}
	strangers := map[string]string{}
	for name, ref := range map[string]string{
		b.name + "-old": labelled(b.name+"-old", ""), b.name + "-web.gitsync-old": labelled("web", ""), "gitsync-config-" + b.name: labelled("", "config"),
	} {
		id, err := b.engine.Create(t.Context(), &types.ContainerConfig{Name: name, Image: ref, StopTimeout: 1})
		if err == nil {
			err = b.engine.Start(t.Context(), id)
		}
		if err != nil {
			t.Fatal(err)
		}
		strangers[name] = ref
	}
	record := b.previous
	check := func(when string) {
		t.Helper()
		for _, previous := range []container.ContainersState{nil, record} {
			b.previous = previous
			b.deploy(desired)
			for name := range strangers {
				if row, err := b.engine.Find(t.Context(), name); err != nil || row.Status != types.StatusRunning {
					t.Errorf("%s: the stranger's container %s: %+v, %v", when, name, row, err)
				}
			}
		}
	}
	check("with their images")
	removeImages(t, strangers)
	rows, err := b.engine.List(t.Context(), map[string]string{container.LabelHost: b.name})
	if gone := slices.IndexFunc(rows, func(row types.ContainerSummary) bool { return row.ImageGone }); err != nil || gone >= 0 {
		t.Fatalf("got %+v, %v, want the images that were seen before to be remembered", rows, err)
	}
	// A new connection has not seen the images.
	b.engine = dockertest.Require(t)
	if rows, err = b.engine.List(t.Context(), map[string]string{container.LabelHost: b.name}); err != nil {
		t.Fatal(err)
	}
	if gone := slices.DeleteFunc(rows, func(row types.ContainerSummary) bool { return !row.ImageGone }); len(gone) != len(strangers) {
		t.Fatalf("got %+v, want all images of strangers to be gone", gone)
	}
	check("without their images")

	// A name that is wanted is an error, whatever the image says.
	taken := container.ContainersState{"old": b.spec("old", func(*types.ContainerConfig) {}), "web": desired["web"]}
	d := b.deployment(taken)
	if err := d.DeployContext(t.Context()); !errors.Is(err, container.ErrBlocked) {
		t.Errorf("got %v, want the name to be taken", err)
	}
}

// removeImages removes the images of running containers, by container. An engine removes
// none while they run.
func removeImages(t *testing.T, images map[string]string) {
	t.Helper()
	for name, ref := range images {
		for _, args := range [][]string{{"stop", "--time", "1", name}, {"rmi", "--force", ref}, {"start", name}} {
			if output, err := exec.Command("docker", args...).CombinedOutput(); err != nil {
				t.Fatalf("docker %v: %v: %s", args, err, output)
			}
		}
	}
}
