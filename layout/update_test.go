package layout_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/layout"
)

func TestUpdateSettingsReachTheContainers(t *testing.T) {
	repo, err := layout.NewLoader().Load(context.Background(), os.DirFS("testdata/update"), layout.Options{Hosts: []string{"web2"}})
	if err != nil {
		t.Fatal(err)
	}
	containers := repo.Hosts[0].Containers
	app := containers["app"]
	want := &container.Update{
		Order: container.StartFirst, Monitor: types.Duration(2 * time.Second), Timeout: types.Duration(30 * time.Second),
		FailureAction: container.Pause,
	}
	if diff := cmp.Diff(want, app.Update); diff != "" {
		t.Errorf("update of app (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]container.Condition{"migrate": container.Completed}, app.DependsOn); diff != "" {
		t.Errorf("dependsOn of app (-want +got):\n%s", diff)
	}
	if got := app.ConfigFileAttributes["/etc/app.conf"].OnChange; got != "SIGHUP" {
		t.Errorf("onChange %q, want SIGHUP", got)
	}
	if m := containers["migrate"]; !m.PreDeploy || m.Container.Config.Restart != "no" {
		t.Errorf("migrate: preDeploy %v, restart %q", m.PreDeploy, m.Container.Config.Restart)
	}
	if m := containers["backup"]; !m.OneShot || m.DependsOn["db"] != container.Started {
		t.Errorf("backup: oneShot %v, dependsOn %v", m.OneShot, m.DependsOn)
	}
	if !containers["db"].Protect {
		t.Error("db is not protected")
	}
}

func TestSettingsOfTheRepo(t *testing.T) {
	host := map[string]string{"hosts/web1/containers.yaml": "containers: {web: {image: nginx}}"}
	if got := load(t, tree(host)).Settings; got.PruneLimit != 0.5 || got.Rollout != nil {
		t.Errorf("without gitsync.yaml: %+v", got)
	}
	for file, want := range map[string]layout.Settings{
		"rollout: {canary: 1}": {Rollout: &layout.Rollout{CanaryCount: 1, OnFailure: "stop"}, PruneLimit: 0.5},
		"rollout: {canary: [web1], monitor: 5m, parallelism: 2, onFailure: continue}\nprune: {maxFraction: 0.25}": {
			Rollout:    &layout.Rollout{Canary: []string{"web1"}, Monitor: types.Duration(5 * time.Minute), Parallelism: 2, OnFailure: "continue"},
			PruneLimit: 0.25,
		},
		"prune: allow": {PruneLimit: 0},
		"version: 1":   {PruneLimit: 0.5},
		"":             {PruneLimit: 0.5},
	} {
		host["gitsync.yaml"] = file
		repo := load(t, tree(host))
		if diff := cmp.Diff(want, repo.Settings); diff != "" || len(repo.Invalid) > 0 {
			t.Errorf("%q (-want +got):\n%s%v", file, diff, repo.Mistakes())
		}
	}
}
