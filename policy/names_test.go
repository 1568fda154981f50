package policy_test

import (
	"testing"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/policy"
	"github.com/gitsync/gitsync/runtime/docker"
)

func TestOnlyTheOperatorsOwnPolicyNamesWhereAHostIs(t *testing.T) {
	at := container.Machine{Host: remote}
	line := policy.Naming("web1", at)
	engine := container.Machine{Host: remote, Runtime: container.RuntimeConfig{Docker: &docker.Config{Host: "tcp://10.0.0.8:2375"}}}
	for text, want := range map[string]bool{
		"": false, line: true, "extends: none": false,
		`hosts: {web2: {address: {allow: ["ssh://10.0.0.7:22"]}}}`:                false,
		`hosts: {"web*": {address: {deny: ["*"], allow: ["ssh://10.0.0.7:22"]}}}`: true,
		`hosts: {web1: {address: {allow: ["ssh://10.0.0.8:22"]}}}`:                false,
		`hosts: {web1: {address: {deny: ["ssh://10.0.0.7:22"]}}}`:                 false,
	} {
		p := parse(t, text)
		if got := p.Names("web1", at); got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
		if p.Names("web1", engine) {
			t.Errorf("%s: it names another engine", text)
		}
	}
	if !parse(t, policy.Naming("web1", engine)).Names("web1", engine) {
		t.Errorf("%s does not name the engine", policy.Naming("web1", engine))
	}
}
