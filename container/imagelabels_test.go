package container_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/memory"
	"github.com/gitsync/gitsync/runtime/runtimetest"
)

// stranger runs a container of an image that carries these labels, as docker run does.
func (w *world) stranger(name string, labels map[string]string) types.ContainerSummary {
	w.t.Helper()
	w.Behave("evil:1", memory.Behaviour{Labels: labels})
	rt, _, err := w.connect(w.t.Context(), spec("x").Host, container.RuntimeConfig{})
	if err != nil {
		w.t.Fatal(err)
	}
	id, err := rt.Create(w.t.Context(), &types.ContainerConfig{Name: name, Image: "evil:1"})
	if err == nil {
		err = rt.Start(w.t.Context(), id)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return w.Containers()[name]
}

// goneImage removes the image while its containers are there.
func (w *world) goneImage(labels map[string]string) {
	w.Behave("evil:1", memory.Behaviour{Labels: labels, Gone: true})
}

func (w *world) isUntouched(before types.ContainerSummary) {
	w.t.Helper()
	if now := w.Containers()[before.Name]; now.ID != before.ID || now.Status != before.Status {
		w.t.Errorf("the stranger's container was %s %s and is %q %s", before.ID[:12], before.Status, now.ID, now.Status)
	}
}

// imageLabels are what an image may carry to pass its containers off as ours.
func imageLabels(key string, more ...string) map[string]string {
	labels := map[string]string{container.LabelHost: "web1", container.LabelOwner: "repo#main", container.LabelContainer: key, container.LabelCommit: "c1"}
	for i := 0; i+1 < len(more); i += 2 {
		labels[more[i]] = more[i+1]
	}
	return labels
}

func TestAContainerThatHasOurLabelsFromItsImageIsNotOurs(t *testing.T) {
	t.Parallel()
	cases := map[string]map[string]string{
		"as one that nobody wants any more": imageLabels("old"),
		"as one that is wanted":             imageLabels("web"),
		"as one with a digest":              imageLabels("web", container.LabelSpec, spec("web").SpecDigest()),
		"with an identity":                  imageLabels("web", container.LabelRepo, identity),
		"as a helper":                       imageLabels("", container.LabelRole, "config"),
		"as a lease":                        imageLabels("", container.LabelRole, container.RoleLease, container.LabelLeaseAddress, "repo#main", container.LabelLeaseUntil, time.Now().Add(time.Minute).UTC().Format(time.RFC3339)),
	}
	for name, labels := range cases {
		for _, called := range []string{"theirs", "web.gitsync-old", "web.gitsync-new", "old", "gitsync-config-x", container.LeasePrefix + "x-1"} {
			for _, gone := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, called %s, image gone %v", name, called, gone), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t)
					w.origin.Repo = identity
					w.mustDeploy(spec("web"))
					theirs := w.stranger(called, labels)
					if gone {
						w.goneImage(labels)
					}
					ours := w.Containers()["web"].ID
					for _, recorded := range []bool{true, false} {
						if !recorded {
							w.previous = nil
						}
						if err := w.deploy(spec("web")); err != nil {
							t.Errorf("deploy: %v", err)
						}
						w.isUntouched(theirs)
						if got := w.Containers()["web"].ID; got != ours {
							t.Error("our container is another one")
						}
					}
					// A new image of ours, with the name that the stranger has in the way.
					next := spec("web")
					next.Container.Config.Image = "nginx:1.27"
					if err := w.deploy(next); err != nil && !strings.HasPrefix(called, "web.gitsync-") {
						t.Errorf("deploy: %v", err)
					}
					w.isUntouched(theirs)
				})
			}
		}
	}
}

func TestAWantedNameThatAnImageClaimsForUsIsTheStrangers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	theirs := w.stranger("web", imageLabels("web", container.LabelSpec, spec("web").SpecDigest()))
	for _, gone := range []bool{false, true} {
		if gone {
			w.goneImage(imageLabels("web"))
		}
		if err := w.deploy(spec("web")); !errors.Is(err, container.ErrBlocked) {
			t.Errorf("got %v, want the name to be taken", err)
		}
		w.isUntouched(theirs)
	}
}

func TestOurContainerOfAnImageWithOurLabelsStaysOurs(t *testing.T) {
	t.Parallel()
	labels := imageLabels("other", container.LabelRole, container.RoleLease, container.LabelProtect, "true", container.LabelRepo, "theirs", container.LabelLeaseIdle, "true")
	w := newWorld(t)
	w.Behave("evil:1", memory.Behaviour{Labels: labels})
	evil := spec("web")
	evil.Container.Config.Image = "evil:1"
	w.mustDeploy(evil)
	id := w.Containers()["web"].ID
	// The labels alone are enough, since ours are always written.
	w.previous = nil
	w.mustDeploy(evil)
	if got := w.Containers()["web"].ID; got != id {
		t.Error("the container was created again")
	}
	// It is not protected, and no lease.
	w.mustDeploy()
	if rows := w.Containers(); len(rows) != 0 {
		t.Errorf("got %v, want it removed", rows)
	}
}

// An image that was made of our container (docker commit) carries what it did.
func TestAnImageOfOurOwnContainerMakesNoOtherContainerOurs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustDeploy(spec("web"))
	committed := maps.Clone(w.Containers()["web"].Labels)
	theirs := w.stranger("copy", committed)
	w.mustDeploy(spec("web"))
	w.mustDeploy()
	w.isUntouched(theirs)
	if len(w.Containers()) != 1 {
		t.Errorf("got %v, want the copy alone", w.Containers())
	}

	// Deployed by us it is ours, also when the record is lost: no image knows the digest.
	again := spec("web")
	again.Container.Config.Image = "evil:1"
	w.mustDeploy(again)
	id := w.Containers()["web"].ID
	w.previous = nil
	w.mustDeploy(again)
	if got := w.Containers()["web"].ID; got != id {
		t.Error("the container was created again")
	}
}

func TestWithItsImageGoneAContainerIsOursByTheRecordAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustDeploy(spec("web"))
	id := w.Containers()["web"].ID
	w.Behave(spec("web").Container.Config.Image, memory.Behaviour{Gone: true})
	w.mustDeploy(spec("web"))
	if got := w.Containers()["web"].ID; got != id {
		t.Error("the container was created again")
	}
	record := w.previous
	w.previous = nil
	if err := w.deploy(spec("web")); !errors.Is(err, container.ErrBlocked) {
		t.Errorf("got %v, want an error about the name", err)
	}
	if got := w.Containers()["web"].ID; got != id {
		t.Error("the container was touched")
	}
	w.previous = record
	w.mustDeploy()
	if len(w.Containers()) != 0 {
		t.Error("the container was not removed")
	}
}

// Whoever can write the state branch can write a record that agrees with an image's labels.
func TestARecordThatOthersMayHaveWrittenVouchesForNoImage(t *testing.T) {
	t.Parallel()
	for _, confirmed := range []bool{true, false} {
		w := newWorld(t)
		w.mustDeploy(spec("web"))
		w.Behave(spec("web").Container.Config.Image, memory.Behaviour{Gone: true})
		before := w.Containers()["web"]
		c := w.containers()
		c.Unconfirmed = !confirmed
		if err := c.DeployContext(t.Context()); err != nil {
			t.Errorf("deploy: %v", err)
		}
		if _, there := w.Containers()[before.Name]; there == confirmed {
			t.Errorf("confirmed %t: it is there: %t", confirmed, there)
		}
	}
}

// Labels that somebody copied onto a container of another name do not make it ours.
func TestLabelsThatDoNotAgreeWithTheNameMakeNothingOurs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustDeploy(spec("web"))
	rt, _, err := w.connect(t.Context(), spec("x").Host, container.RuntimeConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for name, labels := range map[string]map[string]string{
		"copy": imageLabels("web"), "other": imageLabels("old"), "helper": imageLabels("", container.LabelRole, "config"), "lease": imageLabels("", container.LabelRole, container.RoleLease),
	} {
		if _, err := rt.Create(t.Context(), &types.ContainerConfig{Name: name, Image: "x", Labels: labels}); err != nil {
			t.Fatal(err)
		}
	}
	w.mustDeploy(spec("web"))
	w.mustDeploy()
	if got := slices.Sorted(maps.Keys(w.Containers())); strings.Join(got, " ") != "copy helper lease other" {
		t.Errorf("got %v, want those of others left", got)
	}
}

// creations notes what is created.
type creations struct {
	runtimetest.Full
	labels *[]map[string]string
}

func (c creations) Create(ctx context.Context, config *types.ContainerConfig) (string, error) {
	*c.labels = append(*c.labels, config.Labels)
	return c.Full.Create(ctx, config)
}

func TestEveryLabelOfOursIsAlwaysWritten(t *testing.T) {
	t.Parallel()
	var keys []string
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
				if text, err := strconv.Unquote(l.Value); err == nil && strings.HasPrefix(text, container.LabelPrefix) && text != container.LabelPrefix {
					keys = append(keys, text)
				}
			}
			return true
		})
	}
	if len(keys) < 15 {
		t.Fatalf("got %v, want all labels of the package", keys)
	}
	for _, origin := range []*container.Origin{nil, {Host: "web1", Owner: "repo#main"}} {
		w := newWorld(t)
		w.origin = origin
		var created []map[string]string
		w.hooks = func(rt runtime.Runtime) runtime.Runtime { return creations{rt.(runtimetest.Full), &created} }
		w.mustDeploy(spec("web", file("/srv/web.conf", "x")))
		if len(created) < 2 {
			t.Fatalf("got %d containers, want carriers and the container", len(created))
		}
		for _, labels := range created {
			for _, key := range keys {
				if _, written := labels[key]; !written {
					t.Errorf("%s is not written on %v", key, labels)
				}
			}
		}
	}
}
