package e2e_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/internal/dockertest"
	"github.com/gitsync/gitsync/runtime/docker"
)

// The attacks for which it matters what runs the containers, on a real engine: what the
// policy denies, a link behind a mount, an image that carries our labels, records that name a
// stranger's container. What Git servers, trees and packs do is tried in memory, where no
// engine is asked either. Half of the matrix, in which each profile and each mode occurs; all
// of it with GITSYNC_LONG.
func TestTheAttackCorpusOnAnEngine(t *testing.T) {
	engine := dockertest.Require(t)
	image, next := dockertest.Image(t, engine, "VERSION=1"), dockertest.Image(t, engine, "VERSION=2")
	for p, profile := range []string{"default", "strict"} {
		for m, mode := range corpusModes {
			if (p+m)%2 > 0 && os.Getenv("GITSYNC_LONG") == "" {
				continue
			}
			t.Run(profile+"/"+mode.name, func(t *testing.T) {
				name := dockertest.Name("corpus")
				attacks := engineAttacks(t, name, image, profile)
				objects := makeCorpus(t, name, image, attacks)
				c := newEngineCell(t, engine, objects, name, profile, mode)
				before, strangers := c.machine(), name+"-stranger"
				for _, attack := range attacks {
					t.Run(attack.name, func(t *testing.T) {
						c.t = t
						if attack.state {
							c.push("main", objects.good, true)
						}
						c.try(attack)
						c.wantSame(before)
					})
				}
				for _, where := range []string{c.data, t.TempDir()} {
					t.Run("a record that names a stranger's container", func(t *testing.T) {
						c.t = t
						c.forge(name, strangers)
						c.run(c.repo.Dir, "--data-dir", where)
						c.wantSame(before)
					})
				}
				if left, _ := filepath.Glob("/etc/" + name + "*"); len(left) > 0 {
					t.Errorf("files were written: %v", left)
				}
				c.t = t
				c.recovers(name, next, c.find(strangers).Image)
			})
		}
	}
}

// newEngineCell is a cell on the engine, beside a stranger's container whose image says that
// it is ours.
func newEngineCell(t *testing.T, engine *docker.Runtime, objects *corpus, name, profile string, mode corpusMode) *corpusCell {
	t.Helper()
	c := newCorpusCell(t, objects, profile, mode)
	c.list = func() ([]types.ContainerSummary, error) {
		rows, err := engine.List(context.WithoutCancel(c.t.Context()), nil)
		var ours []types.ContainerSummary
		for _, row := range rows {
			if strings.HasPrefix(row.Name, name) {
				ours = append(ours, row)
			}
		}
		return ours, err
	}
	lies := dockertest.LabelledImage(t, map[string]string{
		container.LabelHost: name, container.LabelContainer: name + "-stranger", container.LabelOwner: "x", container.LabelCommit: "c", container.LabelRole: "",
	})
	t.Cleanup(func() { removeManifests(t, name) })
	t.Cleanup(func() { c.removeAll(t, engine) })
	dockertest.RemoveLabelled(t, engine, map[string]string{container.LabelHost: name})
	id, err := engine.Create(t.Context(), strangerConfig(name+"-stranger", lies))
	if err == nil {
		err = engine.Start(t.Context(), id)
	}
	if err != nil {
		t.Fatal(err)
	}
	c.push("main", objects.good, true)
	if code, output := c.run(c.repo.Dir); code != 0 {
		t.Fatalf("the first deployment exits with %d: %s", code, output)
	}
	return c
}

// removeAll removes what the cell made, whatever it was.
func (c *corpusCell) removeAll(t *testing.T, engine *docker.Runtime) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	rows, err := c.list()
	if err != nil {
		t.Errorf("clean up: %v", err)
	}
	for _, row := range rows {
		_ = engine.Stop(ctx, row.ID)
		if err := engine.Delete(ctx, row.ID); err != nil {
			t.Errorf("clean up: %v", err)
		}
	}
}

// find returns the container of a name.
func (c *corpusCell) find(name string) (found types.ContainerSummary) {
	c.t.Helper()
	rows, err := c.list()
	if err != nil {
		c.t.Fatal(err)
	}
	for _, row := range rows {
		if row.Name == name {
			found = row
		}
	}
	return found
}

// forge makes the host's record say that a stranger's container is the one that was deployed.
func (c *corpusCell) forge(name, stranger string) {
	c.t.Helper()
	path := "hosts/" + name + "/state.yaml"
	record, ours := c.repo.Show("gitsync/state", path), c.find(name).ID
	if !strings.Contains(record, ours) {
		c.t.Fatalf("the record of %s does not name %s:\n%s", name, ours, record)
	}
	c.repo.Commit("gitsync/state", map[string]string{path: strings.ReplaceAll(record, ours, c.find(stranger).ID)}, "Forged")
}

// engineAttacks are the attacks on a host of the engine.
func engineAttacks(t *testing.T, name, image, profile string) []corpusAttack {
	files, want := hostileFiles(name+"-", profile == "strict", true)
	for path, content := range files {
		files[path] = strings.ReplaceAll(content, "image: nginx", "image: \""+image+"\"")
	}
	data := filepath.Join(hostDir(t), "data")
	if err := os.Mkdir(data, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc", filepath.Join(data, "sub")); err != nil {
		t.Fatal(err)
	}
	behind := fmt.Sprintf("containers: {%s-evil-link: {image: \"%s\", mounts: [\"%s:/data\", \"%s/sub:/x\"]}}\n", name, image, data, data)
	return []corpusAttack{
		{name: "many hostile hosts", make: func(a *attack) { a.repo.Commit("main", files, "attack") }, want: want},
		{name: "a link behind a mount", make: func(a *attack) {
			a.repo.Commit("main", map[string]string{"hosts/" + name + "-evil-link/containers.yaml": behind}, "attack")
		}, want: []string{data}},
		stateAttacks()[0],
	}
}
