package e2e_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/internal/dockertest"
	"github.com/gitsync/gitsync/internal/registrytest"
)

// An image of a private registry, pinned by gitsync pin, is pulled with what a credential
// helper says, runs, and is no drift. The password is nowhere in what is printed or recorded.
func TestAPinnedImageOfAPrivateRegistryIsDeployed(t *testing.T) {
	s := newScenario(t, "http")
	const password = "hunter2-of-the-registry"
	server := registrytest.Serve(t, registrytest.Options{Username: "ci", Password: password, Token: true})
	image := dockertest.Name("private")
	files, entrypoint := dockertest.RootFS(t)
	digest := server.PushFiles(t, image+":1", files, entrypoint)
	t.Cleanup(func() {
		if err := s.engine.RemoveImage(context.Background(), server.Address+"/"+image+"@"+digest); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	// Before the image.
	dockertest.RemoveLabelled(t, s.engine, map[string]string{container.LabelHost: s.name})
	s.write(map[string]string{
		"docker-credential-test":               "#!/bin/sh\necho '{\"Username\": \"ci\", \"Secret\": \"" + password + "\"}'\n",
		"config.json":                          `{"credHelpers": {"` + server.Address + `": "test"}}`,
		"hosts/" + s.name + "/containers.yaml": "containers:\n  " + s.name + ":\n    image: " + server.Address + "/" + image + ":1 # ours\n    update: {monitor: 100ms}\n",
	})
	s.env = append(s.env, "PATH="+s.dir+":"+os.Getenv("PATH"), "GITSYNC_DOCKER_CONFIG="+filepath.Join(s.dir, "config.json"))

	flags := s.args
	s.args = []string{"--path", s.dir}
	if code, output := s.gitsync("pin"); code != 0 {
		t.Fatalf("pin exits with %d:\n%s", code, output)
	}
	s.args = flags
	path := "hosts/" + s.name + "/containers.yaml"
	pinned, err := os.ReadFile(filepath.Join(s.dir, path))
	if err != nil {
		t.Fatal(err)
	}
	ref := server.Address + "/" + image + ":1@" + digest
	if !strings.Contains(string(pinned), "image: "+ref+" # ours\n") {
		t.Fatalf("pinned is\n%s", pinned)
	}
	server.Push(t, image+":1") // the tag moves on

	s.repo.Commit("main", map[string]string{path: string(pinned)}, "pinned")
	s.args = append(s.args, "--log-level", "debug")
	output := s.deploy(0)
	if got := s.find(""); got.Status != "running" || got.Image != ref {
		t.Errorf("got %+v, want image %s to run", got, ref)
	}
	before := s.find("").ID
	output += s.deploy(0)
	if code, report := s.driftReport(); code != 0 {
		t.Errorf("drift exits with %d:\n%s", code, report)
	}
	if got := s.find("").ID; got != before {
		t.Errorf("the container was made anew: %s, was %s", got, before)
	}
	output += s.repo.Show("gitsync/state", "hosts/"+s.name+"/state.yaml")
	if strings.Contains(output, password) {
		t.Error("the password is in the log or the record")
	}
}

// write puts files that may be executed into the scenario's directory.
func (s *scenario) write(files map[string]string) {
	s.t.Helper()
	for name, content := range files {
		file := filepath.Join(s.dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			s.t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o755); err != nil {
			s.t.Fatal(err)
		}
	}
}
