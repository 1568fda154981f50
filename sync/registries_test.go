package sync_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/registry"
	"github.com/gitsync/gitsync/secret"
	"github.com/gitsync/gitsync/sync"
)

// accounts open one secret, of web1, and are an agent's own credentials.
type accounts struct {
	password string
	err      error
}

func (v *accounts) Open(_ context.Context, host string, _ *secret.Sealed, names []string) (map[string]string, error) {
	if v.err != nil {
		return nil, v.err
	}
	if host != "web1" || !slices.Equal(names, []string{"registry"}) {
		return nil, fmt.Errorf("host %s has no %v", host, names)
	}
	return map[string]string{"registry": v.password}, nil
}

func (v *accounts) External(string) []string  { return []string{"registry"} }
func (v *accounts) Redact(text string) string { return text }

func (v *accounts) agent(_ context.Context, name string) (registry.Credential, error) {
	switch name {
	case "registry.example.com", "other.example.com":
		return registry.Credential{Username: "agent", Password: "of " + name}, nil
	case "broken.example.com":
		return registry.Credential{}, errors.New("ask docker-credential-test for the credentials of registry broken.example.com: exit status 1")
	}
	return registry.Credential{}, nil
}

const registryHostFile = "registries: {registry.example.com: {username: ci, password: '${secret.registry}'}}\n"

func TestEachImageIsPulledWithTheCredentialOfItsRegistry(t *testing.T) {
	v := &accounts{password: "hunter2"}
	w := newWorld(t, func(o *sync.Options) { o.Credentials, o.Secrets = v.agent, v })
	w.commit(map[string]string{
		"hosts/web1/host.yaml": registryHostFile,
		web1: "containers:\n  app: {image: 'registry.example.com/app:1', update: {monitor: 1ms}}\n" +
			"  evil: {image: 'registry.example.com.evil.com/app:1', update: {monitor: 1ms}}\n  port: {image: 'registry.example.com:5000/app:1', update: {monitor: 1ms}}\n" +
			"  other: {image: 'other.example.com/app:1', update: {monitor: 1ms}}\n  public: {image: 'nginx:1', update: {monitor: 1ms}}\n",
		// Another host's logins are its own, also on one machine.
		db1: "containers:\n  db: {image: 'registry.example.com/db:1', update: {monitor: 1ms}}\n",
	}, "start")
	w.cycle()
	got := map[string]string{}
	for _, p := range w.machine.Pulls() {
		got[p.Image] = p.Credential.Username + " " + p.Credential.Password
	}
	for image, want := range map[string]string{
		"registry.example.com/app:1":          "ci hunter2",
		"registry.example.com.evil.com/app:1": " ",
		"registry.example.com:5000/app:1":     " ",
		"other.example.com/app:1":             "agent of other.example.com",
		"nginx:1":                             " ",
		"registry.example.com/db:1":           "agent of registry.example.com",
	} {
		if got[image] != want {
			t.Errorf("%s was pulled with %q, want %q", image, got[image], want)
		}
	}
	for _, name := range []string{"web1", "db1"} {
		if record := w.repo.Show("gitsync/state", "hosts/"+name+"/state.yaml"); strings.Contains(record, "hunter2") || strings.Contains(record, "secret.registry") {
			t.Errorf("the state of %s has the login:\n%s", name, record)
		}
	}
	for _, c := range w.machine.Containers() {
		if strings.Contains(fmt.Sprint(c.Labels), "hunter2") {
			t.Errorf("the password is in the labels of %s: %v", c.Name, c.Labels)
		}
	}
}

func TestAChangedLoginRedeploysNothingAndIsUsedByTheNextPull(t *testing.T) {
	v := &accounts{password: "hunter2"}
	w := newWorld(t, func(o *sync.Options) { o.Credentials, o.Secrets = v.agent, v })
	container := func(image string) map[string]string {
		return map[string]string{"hosts/web1/host.yaml": registryHostFile, web1: web(image)}
	}
	w.commit(container("registry.example.com/app:1"), "start")
	w.cycle()
	before, pulls := w.machine.Containers()["web"].ID, len(w.machine.Pulls())
	v.password = "hunter3"
	w.commit(map[string]string{"hosts/web1/host.yaml": strings.Replace(registryHostFile, "ci", "deploy", 1)}, "another account")
	w.cycle()
	if after := w.machine.Containers()["web"].ID; after != before || len(w.machine.Pulls()) != pulls {
		t.Errorf("container %.7s became %.7s, and there were %d more pulls", before, after, len(w.machine.Pulls())-pulls)
	}
	files := container("registry.example.com/app:2")
	delete(files, "hosts/web1/host.yaml")
	w.commit(files, "bump")
	w.cycle()
	last := w.machine.Pulls()[len(w.machine.Pulls())-1]
	if last.Credential != (registry.Credential{Username: "deploy", Password: "hunter3"}) {
		t.Errorf("pulled as %s with %s", last.Credential.Username, last.Credential.Password)
	}
}

func TestACredentialThatCannotBeHadFailsTheContainersOfItsRegistryAlone(t *testing.T) {
	v := &accounts{err: errors.New("no key opens it")}
	w := newWorld(t, func(o *sync.Options) { o.Credentials, o.Secrets = v.agent, v })
	w.commit(map[string]string{
		"hosts/web1/host.yaml": registryHostFile,
		web1: "containers:\n  app: {image: 'registry.example.com/app:1', update: {monitor: 1ms}}\n" +
			"  broken: {image: 'broken.example.com/app:1', update: {monitor: 1ms}}\n  public: {image: 'nginx:1', update: {monitor: 1ms}}\n",
	}, "start")
	said := fmt.Sprint(problems(w.fail()))
	for _, part := range []string{"registry.example.com", "${secret.registry}", "no key opens it", "docker-credential-test", "broken.example.com"} {
		if !strings.Contains(said, part) {
			t.Errorf("%s does not say %s", said, part)
		}
	}
	w.runs("public", "nginx:1")
	w.runs("app", "")
	w.runs("broken", "")
}
