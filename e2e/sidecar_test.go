package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/internal/dockertest"
	"github.com/gitsync/gitsync/internal/gittest"
)

// The image of the repo follows the directory that is named like its machine, with
// nothing set but the repo.
func TestTheSidecarHandlesItsOwnMachine(t *testing.T) {
	machine := dockertest.StartMachine(t)
	docker := func(args ...string) string {
		t.Helper()
		output, err := exec.Command("docker", append([]string{"--host", "unix://" + machine.Socket}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("docker %v: %v: %s", args, err, output)
		}
		return string(output)
	}
	docker("build", "--quiet", "--tag", "gitsync", "--file", "../Dockerfile", imageFiles(t))

	name, err := os.Hostname() // the engine's name, too
	if err != nil {
		t.Fatal(err)
	}
	repo := gittest.NewRepo(t)
	image := dockertest.Image(t, machine.Runtime)
	dockertest.RemoveLabelled(t, machine.Runtime, map[string]string{container.LabelHost: name})
	commit := func(version string) {
		repo.Commit("main", map[string]string{
			"hosts/" + name + "/containers.yaml": fmt.Sprintf("containers:\n  app: {image: %q, networkMode: none, labels: {version: %q}, update: {monitor: 1s}}\n", image, version),
			// What is not this machine is left alone, and needs no way to it.
			"hosts/other/host.yaml":       "ssh: {address: other.invalid}\n",
			"hosts/other/containers.yaml": fmt.Sprintf("containers:\n  other: {image: %q}\n", image),
		}, version)
	}
	commit("1")
	docker("run", "--detach", "--name", "gitsync", "--network", "host", "--volume", machine.Socket+":/var/run/docker.sock",
		"--env", "GITSYNC_REPO="+gittest.ServeHTTP(t, repo, gittest.HTTPOptions{}).URL, "--env", "GITSYNC_INTERVAL=500ms", "gitsync")
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("it says:\n%s", docker("logs", "gitsync"))
		}
		docker("rm", "--force", "--volumes", "gitsync")
	})
	f := &fleet{t: t, repo: repo}
	m := &fleetMachine{name: name, engine: machine}
	for _, version := range []string{"1", "2"} {
		if version == "2" {
			commit(version)
		}
		f.eventually("the machine runs version "+version, func() bool { return f.runs(m, version) && f.recorded(m, version) })
	}
	if _, err := machine.Find(t.Context(), "other"); err == nil {
		t.Error("it deployed another host's container")
	}
	if row, err := machine.Find(t.Context(), "gitsync"); err != nil || row.Status != "running" {
		t.Errorf("gitsync itself is %+v, %v", row, err)
	}
}

// imageFiles returns a directory with what the Dockerfile copies.
func imageFiles(t *testing.T) string {
	t.Helper()
	built, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for from, to := range map[string]string{built: "gitsync", "/etc/ssl/certs/ca-certificates.crt": "ca-certificates.crt"} {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, to), data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
