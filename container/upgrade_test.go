package container_test

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime/memory"
)

// theirNames opens each secret as its name.
type theirNames struct{ versions map[string]string }

func (s theirNames) Version(name string) string { return s.versions[name] }

func (s theirNames) Open(_ context.Context, names []string) (map[string]string, error) {
	values := map[string]string{}
	for _, name := range names {
		values[name] = name
	}
	return values, nil
}

func (s theirNames) Redact(text string) string { return text }

// deployedByTheRelease puts the containers of a golden line into a world, with the labels
// of the release, and returns what it recorded.
func (w *world) deployedByTheRelease(g golden) container.ContainersState {
	w.t.Helper()
	rt, err := (&memory.Config{World: w.World}).New()
	if err != nil {
		w.t.Fatal(err)
	}
	d, err := (&container.Containers{DesiredState: g.Containers}).Deployment()
	if err != nil {
		w.t.Fatal(err)
	}
	recorded := d.DesiredState()
	for key, m := range recorded {
		config := m.Container.Config
		config.Labels = maps.Clone(config.Labels)
		if config.Labels == nil {
			config.Labels = map[string]string{}
		}
		maps.Copy(config.Labels, map[string]string{
			container.LabelContainer: key, container.LabelSpec: g.Digests[key],
			container.LabelHost: w.origin.Host, container.LabelOwner: w.origin.Owner, container.LabelCommit: "c0",
		})
		id, err := rt.Create(w.t.Context(), &config)
		if err != nil {
			w.t.Fatal(err)
		}
		if err := rt.Start(w.t.Context(), id); err != nil {
			w.t.Fatal(err)
		}
		if m.OneShot || m.PreDeploy {
			w.SetStatus(config.Name, types.StatusExited)
		}
		m.Container.Status = &types.ContainerStatus{ID: id}
		// It did not know that.
		m.DependantSpecs = ""
	}
	w.previous = recorded
	return w.record()
}

// identities are the IDs of all containers, and their digests.
func (w *world) identities() map[string]string {
	ids := map[string]string{}
	for name, row := range w.Containers() {
		ids[name] = row.ID + " " + row.Labels[container.LabelSpec] + " " + row.Status
	}
	return ids
}

// checked is a deployment that has looked at all but config files.
func (w *world) checked(g golden, previous container.ContainersState, unconfirmed bool) *container.Deployment {
	w.t.Helper()
	c := w.containers(slices.Collect(maps.Values(g.Containers))...)
	c.DesiredState, c.PreviousState, c.Unconfirmed = g.Containers, previous, unconfirmed
	secrets := theirNames{map[string]string{}}
	for _, m := range g.Containers {
		maps.Copy(secrets.versions, m.Secrets)
	}
	c.Secrets = secrets
	d, err := c.Deployment()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := d.Check(w.t.Context(), container.CheckOptions{SkipFiles: true}); err != nil {
		w.t.Fatal(err)
	}
	return d
}

func TestAnUpgradeReplacesNothingThatRuns(t *testing.T) {
	t.Parallel()
	for _, g := range goldens(t) {
		t.Run(g.Name, func(t *testing.T) {
			t.Parallel()
			for _, state := range []string{"recorded", "lost", "unconfirmed"} {
				w := newWorld(t)
				previous := w.deployedByTheRelease(g)
				if state == "lost" {
					previous = nil
				}
				before := w.identities()
				for round := range 2 {
					d := w.checked(g, previous, state == "unconfirmed" && round == 0)
					if plan := d.Plan(); !plan.Empty() {
						t.Errorf("record %s, run %d: the plan is\n%s", state, round+1, plan)
					}
					if plan := d.Plan(); len(plan.Hosts[0].Drift) > 0 {
						t.Errorf("record %s, run %d: drift %v", state, round+1, plan.Hosts[0].Drift)
					}
					if err := d.DeployContext(t.Context()); err != nil {
						t.Fatal(err)
					}
					previous = d.ToExported().PreviousState
				}
				if diff := cmp.Diff(before, w.identities()); diff != "" {
					t.Errorf("record %s: containers changed (-before +after):\n%s", state, diff)
				}
			}
		})
	}
}

func TestAPlanByTheRecordOfAnEarlierReleaseIsEmpty(t *testing.T) {
	t.Parallel()
	for _, g := range goldens(t) {
		w := newWorld(t)
		d, err := (&container.Containers{DesiredState: g.Containers, PreviousState: w.deployedByTheRelease(g), Origin: w.origin}).Deployment()
		if err != nil {
			t.Fatal(err)
		}
		d.Assume()
		if plan := d.Plan(); !plan.Empty() {
			t.Errorf("%s: the plan is\n%s", g.Name, plan)
		}
	}
}

// Whatever an interrupted update left: what follows is the same, whichever release put the
// labels on the containers.
func TestPlansDoNotDependOnTheReleaseThatDeployed(t *testing.T) {
	t.Parallel()
	byName := map[string]golden{}
	for _, g := range goldens(t) {
		byName[g.Name] = g
	}
	a, b := byName["config files recreate"], byName["everything"]
	specs := map[string]*container.HostConfiguredContainer{"a": a.Containers["web"], "b": b.Containers["web"]}
	now := map[string]string{"a": specs["a"].SpecDigest(), "b": specs["b"].SpecDigest()}
	before := map[string]string{"a": a.Digests["web"], "b": b.Digests["web"]}
	empty := 0
	// Each number is one combination of all that makes a difference.
	const all = 3 * 3 * 2 * 3 * 3 * 3 * 3 * 2
	for n := range all {
		plan, same := planOf(n, specs, now), planOf(n, specs, before)
		if !reflect.DeepEqual(plan, same) {
			t.Fatalf("combination %d: labels of another release make another plan:\n%s", n, cmp.Diff(plan, same))
		}
		if plan.Empty() {
			empty++
		}
	}
	if empty == 0 || empty == all {
		t.Errorf("%d of %d plans are empty", empty, all)
	}
}

// planOf makes the plan for a combination of desired and recorded spec, the container, and
// another one beside it.
func planOf(n int, specs map[string]*container.HostConfiguredContainer, digests map[string]string) container.HostPlan {
	pick := func(words ...string) string {
		word := words[n%len(words)]
		n /= len(words)
		return word
	}
	row := func(of, status, name string) *types.ContainerSummary {
		if of == "" {
			return nil
		}
		return &types.ContainerSummary{
			ID: "id-" + of + name, Name: name, Image: specs[of].Container.Config.Image, Status: status,
			Labels: map[string]string{container.LabelContainer: "web", container.LabelSpec: digests[of]},
		}
	}
	status := func() string { return pick(types.StatusRunning, types.StatusCreated, types.StatusExited) }
	current, desired, previous := found(), container.ContainersState{}, container.ContainersState{}
	if want := specs[pick("a", "b", "")]; want != nil {
		desired["web"] = want
	}
	was, pending := pick("a", "b", ""), pick("pending", "ready")
	if was != "" {
		m := *specs[was]
		m.ReadyPending = pending == "pending"
		m.Container.Status = &types.ContainerStatus{ID: "id-" + was + "web"}
		previous["web"] = &m
	}
	opts := container.PlanOptions{}
	switch pick("confirmed", "unconfirmed", "held") {
	case "unconfirmed":
		opts.Unconfirmed = true
	case "held":
		opts.Held = map[string]string{"web": "it failed"}
	}
	i := container.Instances{Main: row(pick("a", "b", ""), status(), "web")}
	beside, as := pick("a", "b", ""), pick("new", "old")
	if as == "new" {
		i.New = row(beside, types.StatusCreated, "web.gitsync-new")
	} else {
		i.Old = row(beside, types.StatusExited, "web.gitsync-old")
	}
	current.Containers["web"] = i
	return container.MakePlan("web1", desired, previous, current, opts)
}

// The label of an earlier release does not tell that other words are the same spec: such a
// container is replaced once more, and its plan says why. After that it is not.
func TestOtherWordsReplaceAContainerOfAnEarlierReleaseOnce(t *testing.T) {
	t.Parallel()
	var g golden
	for _, one := range goldens(t) {
		if one.Name == "networkAliases order" {
			g = one
		}
	}
	w := newWorld(t)
	w.previous = w.deployedByTheRelease(g)
	other := *g.Containers["web"]
	other.Update = &container.Update{Monitor: 1}
	for _, aliases := range [][]string{{"shop", "web"}, {"web", "web", "shop"}} {
		other.Container.Config.NetworkAliases = aliases
		plan := w.plan(&other)
		if first := w.Containers()["web"].Labels[container.LabelSpec] == g.Digests["web"]; first == plan.Empty() {
			t.Errorf("labels of the earlier release: %v, plan:\n%s", first, plan)
		} else if first && !strings.Contains(plan.String(), "networkAliases web shop → shop web") {
			t.Errorf("the plan does not say why:\n%s", plan)
		}
		w.mustDeploy(&other)
	}
}
