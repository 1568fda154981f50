package e2e_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/internal/dockertest"
)

// dockerCommand runs the docker command and returns what it prints.
func dockerCommand(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "docker", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// What is asked for may be what the engine gives as well, or be said in the engine's words
// only after it was read: neither is drift, and no run touches the container for it.
func TestWhatIsAskedForInTheEnginesOwnWordsIsNoDrift(t *testing.T) {
	t.Parallel()
	network := dockertest.Network(t) // It goes after the containers.
	s := newScenario(t, "http")
	id := dockerCommand(t, "network", "inspect", "--format", "{{.ID}}", network)
	s.names = append(s.names, "NETWORKSHORT", id[:12], "NETWORK", network)
	tree := `containers:
  NAME-hex:
    image: IMAGE1
    networkMode: NETWORK
    networkAliases: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", f, e, d, c, b, a, "00", fe, be, ad]
  NAME-own:
    image: IMAGE1
    networkMode: NETWORK
    hostname: inside
    networkAliases: [store, NAME-own, inside, store]
  NAME-short:
    image: IMAGE1
    networkMode: NETWORKSHORT
    networkAliases: [far]
  NAME-retries:
    image: IMAGE1
    restart: on-failure:+07
    cpus: 0.12345678912
    capAdd: [CHOWN, CAP_CHOWN]
    labels: {desktop.docker.io/binds/0/Source: /x}
    stopTimeout: 1500ms
`
	tree = strings.ReplaceAll(tree, "    image: IMAGE1\n", "    image: IMAGE1\n    update: {monitor: 300ms}\n")
	s.repo.Commit("main", map[string]string{"hosts/" + s.name + "/containers.yaml": s.replace(tree)}, "first")
	s.deploy(0)
	since := dockerCommand(t, "info", "--format", "{{.SystemTime}}")
	for _, args := range [][]string{{"drift"}, {"plan", "--detailed-exitcode"}, {"run", "--once"}} {
		if code, out := s.gitsync(args...); code != 0 {
			t.Errorf("gitsync %s exits with %d:\n%s", strings.Join(args, " "), code, out)
		}
	}
	until := dockerCommand(t, "info", "--format", "{{.SystemTime}}")
	for _, filter := range []string{"label=io.gitsync.host=" + s.name, "network=" + network} {
		if events := dockerCommand(t, "events", "--since", since, "--until", until, "--filter", filter); events != "" {
			t.Errorf("something was done:\n%s", events)
		}
	}
	// The same in other words.
	tree = strings.NewReplacer(`"0", "1", "2", "3"`, `"3", "2", "0", "1"`, "[store, NAME-own, inside, store]", "[inside, store, NAME-own]", "on-failure:+07", "on-failure:7",
		"0.12345678912", "0.123456789", "[CHOWN, CAP_CHOWN]", "[chown]", "1500ms", "2s").Replace(tree)
	s.repo.Commit("main", map[string]string{"hosts/" + s.name + "/containers.yaml": s.replace(tree)}, "other words")
	before := s.find("-own").ID + s.find("-hex").ID + s.find("-retries").ID
	s.deploy(0)
	if after := s.find("-own").ID + s.find("-hex").ID + s.find("-retries").ID; after != before {
		t.Errorf("other words replaced a container")
	}
}
