package policy_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/policy"
)

// lists are the entries of a topic in the default profile.
type lists struct{ Allow, Deny []string }

func profileLists(t *testing.T) map[string]lists {
	t.Helper()
	var profile struct {
		Hosts map[string]struct {
			Mounts      lists
			ConfigFiles lists `yaml:"configFiles"`
		}
	}
	if err := yaml.Unmarshal(policy.DefaultProfile(), &profile); err != nil {
		t.Fatal(err)
	}
	all := profile.Hosts["*"]
	if len(all.Mounts.Deny) < 30 || len(all.ConfigFiles.Allow) < 6 {
		t.Fatalf("got %+v, want the places of the system", all)
	}
	return map[string]lists{"mounts": all.Mounts, "configFiles": all.ConfigFiles}
}

// manualPlaces are the paths in the row of a topic, those that are denied and those that
// are allowed.
func manualPlaces(t *testing.T, topic string) (denied, allowed []string) {
	t.Helper()
	manual, err := os.ReadFile("../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(manual)) {
		cells := strings.Split(line, " | ")
		if len(cells) != 3 || cells[0] != "| `"+topic+"`" {
			continue
		}
		span := regexp.MustCompile("`((?:/|\\*\\*/)[^`]*)`")
		for i, cell := range cells[1:] {
			for _, found := range span.FindAllStringSubmatch(cell, -1) {
				if i == 0 {
					denied = append(denied, found[1])
				} else {
					allowed = append(allowed, found[1])
				}
			}
		}
		return denied, allowed
	}
	t.Fatalf("docs/policy.md has no row for %s", topic)
	return nil, nil
}

// asks makes a container that asks for what a place of the manual is about, for itself and
// for something below it.
func asks(topic, place string) []*container.HostConfiguredContainer {
	path, isReadOnly := strings.CutSuffix(place, ":ro")
	path = strings.ReplaceAll(strings.ReplaceAll(path, "**/", "/srv/x/"), "*", "x")
	var all []*container.HostConfiguredContainer
	for _, path := range []string{path, strings.TrimSuffix(path, "/") + "/below"} {
		switch {
		case topic == "configFiles":
			all = append(all, file(path))
		case isReadOnly:
			all = append(all, mount(path, readOnly))
		default:
			all = append(all, mount(path))
		}
	}
	return all
}

func TestThePlacesInTheManualAreWhatIsEnforced(t *testing.T) {
	for topic, profile := range profileLists(t) {
		denied, allowed := manualPlaces(t, topic)
		for _, place := range denied {
			asked := asks(topic, place)
			if topic == "mounts" && !slices.Contains(profile.Deny, place) {
				asked = asked[:1] // it is denied as a whole alone, for what is in it
			}
			for _, c := range asked {
				if got := rules(check(policy.Default(), "web1", c)); got != topic+".deny" {
					t.Errorf("%s: docs/policy.md says that %s is denied, and it is allowed: %q", topic, place, got)
				}
			}
		}
		for _, place := range allowed {
			for _, c := range asks(topic, place) {
				if found := check(policy.Default(), "web1", c); len(found) > 0 {
					t.Errorf("%s: docs/policy.md says that %s is allowed: %v", topic, place, found)
				}
			}
		}
		for _, place := range profile.Deny {
			if !slices.Contains(denied, place) {
				t.Errorf("%s: docs/policy.md does not say that %s is denied", topic, place)
			}
		}
		for _, place := range profile.Allow {
			if !slices.Contains(allowed, place) {
				t.Errorf("%s: docs/policy.md does not say that %s is allowed", topic, place)
			}
		}
	}
}

// A config file must not get where a mount does not.
func TestTheDefaultProfileDeniesConfigFilesWhereItDeniesMounts(t *testing.T) {
	for _, place := range profileLists(t)["mounts"].Deny {
		for _, c := range asks("configFiles", place) {
			if got := rules(check(policy.Default(), "web1", c)); got != "configFiles.deny" {
				t.Errorf("%s: a config file may be written there", place)
			}
		}
	}
}

func TestOnlyAFileThatTheEarlierProfileAllowedMayStay(t *testing.T) {
	for path, want := range map[string]string{
		"/etc/web.conf": "/etc/web.conf", "/etc/prometheus/prometheus.yml": "/etc/prometheus/prometheus.yml", "/var/www/x": "/var/www/x", "/opt/x": "/opt/x",
		"/etc/cron.d/x": "", "/etc/passwd": "", "/usr/local/bin/x": "", "/root/.ssh/authorized_keys": "", "/home/bob/.bashrc": "", "/opt/cni/x": "",
	} {
		found := check(policy.Default(), "web1", file(path))
		if len(found) != 1 || found[0].Former != want {
			t.Errorf("%s: got %+v, want one violation with the former path %q", path, found, want)
		}
		// What the operator's own rule denies may not stay.
		own := check(parse(t, "hosts: {web1: {configFiles: {deny: [/], allow: [/srv/config]}}}"), "web1", file(path))
		if len(own) != 1 || own[0].Former != "" {
			t.Errorf("%s: got %+v, want a violation of the operator's rule", path, own)
		}
		if none := check(parse(t, "extends: none\nhosts: {web1: {configFiles: {deny: [/]}}}"), "web1", file(path)); len(none) != 1 || none[0].Former != "" {
			t.Errorf("%s: got %+v, want a violation of the operator's rule", path, none)
		}
	}
	for name, strict := range map[string]*policy.Policy{"the strict profile": policy.Strict(), "extends: strict": parse(t, "extends: strict\nhosts: {web2: {privileged: allow}}")} {
		if found := check(strict, "web1", file("/etc/web.conf")); len(found) != 1 || found[0].Former != "" {
			t.Errorf("%s: got %+v, want a violation without a former path: it is a boundary", name, found)
		}
	}
	if found := check(policy.Default(), "web1", mount("/etc/web")); len(found) != 1 || found[0].Former != "" {
		t.Errorf("got %+v, want a mount that may not stay", found)
	}
}
