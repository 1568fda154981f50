package dockerconfig_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gitsync/gitsync/registry"
	"github.com/gitsync/gitsync/registry/dockerconfig"
)

// write makes a directory with a config.json.
func write(t *testing.T, content string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// helper puts a credential helper, a shell script, into the PATH.
func helper(t *testing.T, name, script string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "docker-credential-"+name), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return dir
}

func auth(username, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(username + ":" + password))
}

func TestTheFileGivesEachRegistryItsOwn(t *testing.T) {
	dir := write(t, fmt.Sprintf(`{"auths": {
		"https://index.docker.io/v1/": {"auth": %q},
		"registry.example.com": {"auth": %q},
		"https://legacy.example.com/v1/": {"auth": %q},
		"Upper.Example.com:5000": {"auth": %q},
		"token.example.com": {"identitytoken": "t0ken"}
	}}`, auth("hub", "1"), auth("ci", "2"), auth("old", "3"), auth("up", "4")))
	for name, want := range map[string]registry.Credential{
		"docker.io":                     {Username: "hub", Password: "1"},
		"registry.example.com":          {Username: "ci", Password: "2"},
		"legacy.example.com":            {Username: "old", Password: "3"},
		"upper.example.com:5000":        {Username: "up", Password: "4"},
		"token.example.com":             {IdentityToken: "t0ken"},
		"registry.example.com:5000":     {},
		"registry.example.com.evil.com": {},
		"example.com":                   {},
		"upper.example.com":             {},
	} {
		for _, path := range []string{dir, filepath.Join(dir, "config.json")} {
			got, err := dockerconfig.Config{Path: path}.Credential(t.Context(), name)
			if err != nil || got != want {
				t.Errorf("%s: %s %s, %v, want %s %s", name, got.Username, got.Password, err, want.Username, want.Password)
			}
		}
	}
	t.Setenv("DOCKER_CONFIG", dir)
	if got, err := (dockerconfig.Config{}).Credential(t.Context(), "docker.io"); err != nil || got.Username != "hub" {
		t.Errorf("by $DOCKER_CONFIG: %s, %v", got.Username, err)
	}
}

func TestAFileThatNobodyAskedForMayBeMissing(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", filepath.Join(t.TempDir(), "none"))
	if got, err := (dockerconfig.Config{}).Credential(t.Context(), "docker.io"); err != nil || !got.IsZero() {
		t.Errorf("got %v, %v, want none", got, err)
	}
	t.Setenv("DOCKER_CONFIG", "")
	t.Setenv("HOME", "")
	if got, err := (dockerconfig.Config{}).Credential(t.Context(), "docker.io"); err != nil || !got.IsZero() {
		t.Errorf("without a home: %v, %v, want none", got, err)
	}
	if _, err := (dockerconfig.Config{Path: filepath.Join(t.TempDir(), "none")}).Credential(t.Context(), "docker.io"); err == nil {
		t.Error("one that was asked for is missing, and that is no error")
	}
	for _, content := range []string{"{", `{"auths": {"a.example.com": {"auth": "aHVudGVyMg"}}}`, `{"auths": 7}`} {
		_, err := dockerconfig.Config{Path: write(t, content)}.Credential(t.Context(), "docker.io")
		if err == nil || strings.Contains(err.Error(), "aHVudGVyMg") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("a broken one: %v", err)
		}
	}
}

func TestAHelperIsToldTheRegistryAndNothingElse(t *testing.T) {
	t.Setenv("GITSYNC_GIT_TOKEN", "git-t0ken")
	dir := helper(t, "test", `{ echo "args: $*"; cat; echo; env; } > "$(dirname "$0")/seen"
echo '{"ServerURL": "x", "Username": "ci", "Secret": "hunter2"}'
`)
	config := write(t, `{"credsStore": "none", "credHelpers": {"registry.example.com": "test"}}`)
	got, err := dockerconfig.Config{Path: config}.Credential(t.Context(), "registry.example.com")
	if err != nil || got != (registry.Credential{Username: "ci", Password: "hunter2"}) {
		t.Fatalf("got %s, %v", got.Username, err)
	}
	seen, err := os.ReadFile(filepath.Join(dir, "seen"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(seen), "args: get\nregistry.example.com\n") || strings.Contains(string(seen), "git-t0ken") {
		t.Errorf("the helper saw %s", seen)
	}
}

func TestAStoreHasAllRegistries(t *testing.T) {
	helper(t, "test", `read server; case $server in
https://index.docker.io/v1/) echo '{"Username": "<token>", "Secret": "t0ken"}' ;;
registry.example.com) echo '{"Username": "ci", "Secret": "hunter2"}' ;;
*) echo 'credentials not found in native keychain'; exit 1 ;;
esac
`)
	config := dockerconfig.Config{Path: write(t, `{"credsStore": "test", "auths": {"other.example.com": {}}}`)}
	for name, want := range map[string]registry.Credential{
		"docker.io": {IdentityToken: "t0ken"}, "registry.example.com": {Username: "ci", Password: "hunter2"}, "other.example.com": {},
	} {
		if got, err := config.Credential(t.Context(), name); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", name, got.Username, err, want.Username)
		}
	}
}

func TestAHelperThatFailsIsAnErrorWithItsNameAndTheRegistry(t *testing.T) {
	for name, c := range map[string]struct{ script, want string }{
		"a message":           {"echo 'the keychain is locked'; exit 1", "the keychain is locked"},
		"on stderr":           {"echo 'no session' >&2; exit 3", "no session"},
		"escapes":             {`printf '\033[2Jgone\n'; exit 1`, "[2Jgone"},
		"a secret in it":      {`echo '{"Username": "ci", "Secret": "hunter2"}'; exit 1`, "exit status 1"},
		"no JSON":             {"echo hunter2", "no JSON"},
		"nothing":             {"exit 0", "no JSON"},
		"more than we read":   {"head -c 200000 /dev/zero", "more than 65536 bytes"},
		"a message with ends": {`printf 'first\nsecond\n'; exit 1`, "first"},
	} {
		t.Run(name, func(t *testing.T) {
			helper(t, "test", c.script)
			config := dockerconfig.Config{Path: write(t, `{"credsStore": "test"}`)}
			got, err := config.Credential(t.Context(), "registry.example.com")
			if err == nil || !got.IsZero() {
				t.Fatalf("got %v, %v, want an error", got, err)
			}
			for _, part := range []string{"docker-credential-test", "registry.example.com", c.want} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%v does not say %q", err, part)
				}
			}
			if strings.ContainsAny(err.Error(), "\x1b\n") || strings.Contains(err.Error(), "hunter2") || len(err.Error()) > 500 {
				t.Errorf("the error is %q", err)
			}
		})
	}
	for name, content := range map[string]string{"not there": `{"credsStore": "gone"}`, "a path": `{"credsStore": "../../bin/x"}`} {
		_, err := dockerconfig.Config{Path: write(t, content)}.Credential(t.Context(), "registry.example.com")
		if err == nil || !strings.Contains(err.Error(), "registry.example.com") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAHelperThatHangsIsCutOffWithAllThatItStarted(t *testing.T) {
	dir := helper(t, "test", `sleep 1000 &
echo $! > "$(dirname "$0")/child"
wait
`)
	config := dockerconfig.Config{Path: write(t, `{"credsStore": "test"}`), Timeout: 500 * time.Millisecond}
	_, err := config.Credential(t.Context(), "registry.example.com")
	if err == nil || !strings.Contains(err.Error(), "docker-credential-test") || !strings.Contains(err.Error(), "500ms") {
		t.Fatalf("got %v, want one that names the helper and the time", err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "child"))
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	gone := func() bool {
		state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", child))
		// One that nobody waits for stays as a zombie.
		return err != nil || strings.Contains(string(state), ") Z ") || syscall.Kill(child, 0) != nil
	}
	for range 500 {
		if gone() {
			return
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-t.Context().Done():
		}
	}
	t.Errorf("process %d of the helper still runs", child)
}
