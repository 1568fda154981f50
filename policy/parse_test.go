package policy_test

import (
	"errors"
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/policy"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(got, "\n"), strings.Split(string(want), "\n")); diff != "" {
		t.Errorf("it differs (-got +want), run with -update to accept it:\n%s", diff)
	}
}

func TestAllMistakesOfAPolicyFileAreToldAtOnce(t *testing.T) {
	data, err := os.ReadFile("testdata/mistakes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, err = policy.Parse(data, "policy.yaml")
	var mistakes policy.Mistakes
	if !errors.As(err, &mistakes) {
		t.Fatalf("got %v, want mistakes", err)
	}
	golden(t, "testdata/mistakes.want", err.Error()+"\n")
}

func TestWhatIsDeniedIsToldInFull(t *testing.T) {
	var lines []string
	for _, a := range attacks {
		for _, v := range check(policy.Default(), "web1", a.c) {
			lines = append(lines, a.name+":\n  "+v.Error())
		}
	}
	golden(t, "testdata/attacks.want", strings.Join(lines, "\n")+"\n")
}

func TestWhatIsNoPolicyIsRefused(t *testing.T) {
	cases := map[string]string{
		"broken":         "hosts: {",
		"a tab":          "hosts:\n\tweb1: {}",
		"two documents":  "extends: none\n---\nextends: none\n",
		"a list":         "- extends: none",
		"a text":         "none",
		"an alias":       "hosts: {a: &a {privileged: allow}, b: *a}",
		"a merge key":    "hosts: {a: &a {privileged: allow}, b: {<<: *a}}",
		"too large":      strings.Repeat("# policy\n", policy.MaxBytes/8),
		"an alias bomb":  "a: &a [x,x]\nb: &b [*a,*a]\nhosts: *b",
		"not UTF-8":      "hosts: {\"\xff\": {}}",
		"nothing of all": "hosts: null",
	}
	for name, text := range cases {
		if p, err := policy.Parse([]byte(text), "policy.yaml"); err == nil || p != nil || !strings.HasPrefix(err.Error(), "policy.yaml:") {
			t.Errorf("%s: got %v and %v, want an error with a place", name, p, err)
		}
	}
}

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

func TestTheExamplesOfTheManualArePolicies(t *testing.T) {
	manual, err := os.ReadFile("../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := yamlBlock.FindAllStringSubmatch(string(manual), -1)
	if len(blocks) < 2 {
		t.Fatalf("found %d examples", len(blocks))
	}
	for _, block := range blocks {
		parse(t, block[1])
	}
}

func TestTheManualKnowsTheDefaultProfile(t *testing.T) {
	manual, err := os.ReadFile("../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(string(manual)), " ")
	for _, c := range []struct {
		said    string
		c       *container.HostConfiguredContainer
		allowed bool
	}{
		{"`networkMode: host` is allowed", config(func(c *types.ContainerConfig) { c.NetworkMode = "host" }), true},
		{"`NET_ADMIN` is denied", caps("NET_ADMIN"), false},
		{"`IPC_LOCK`, `SYS_NICE`", caps("IPC_LOCK", "SYS_NICE"), true},
		{"`/home/bob/app`", mount("/home/bob/app"), true},
	} {
		if !strings.Contains(text, c.said) || (len(check(policy.Default(), "web1", c.c)) == 0) != c.allowed {
			t.Errorf("docs/policy.md does not say %q, or the profile does otherwise", c.said)
		}
	}
}

func FuzzParse(f *testing.F) {
	mistakes, err := os.ReadFile("testdata/mistakes.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(mistakes, "/etc/x")
	f.Add(policy.DefaultProfile(), "/var/run/docker.sock")
	f.Add([]byte(`hosts: {web1: {mounts: {deny: ["**/x/**/*y*"], allow: ['/\*:ro']}}}`), `/*:ro`)
	f.Add([]byte("hosts: {web1: {mounts: {deny: [\"/a\\n\"]}}}"), "a\n/\xff")
	profile := policy.Default()
	f.Fuzz(func(t *testing.T, data []byte, source string) {
		p, err := policy.Parse(data, "policy.yaml")
		if (p == nil) == (err == nil) {
			t.Fatalf("got %v and %v, want one of them", p, err)
		}
		if err != nil {
			if strings.Contains(err.Error(), "\x1b") {
				t.Fatalf("a control character reaches the terminal: %q", err)
			}
			return
		}
		c := mount("/"+source, func(m *types.Mount) { m.ReadOnly = len(data)%2 == 0 })
		for _, v := range p.Check("web1", container.ContainersState{"web": c}) {
			if v.Rule == "" || v.Message == "" || strings.ContainsAny(v.Error(), "\n\x1b") {
				t.Errorf("got %+v, want a rule and a sentence", v)
			}
		}
		// What the hint says is a policy, and allows it.
		for _, v := range profile.Check("web1", container.ContainersState{"web": c}) {
			if v.Allow == "" {
				continue
			}
			allowing, err := policy.Parse([]byte(v.Allow), "hint")
			if err != nil {
				t.Fatalf("%s: %v", v.Allow, err)
			}
			for _, still := range allowing.Check("web1", container.ContainersState{"web": c}) {
				if still.Rule == v.Rule {
					t.Errorf("%s: still denied: %v", v.Allow, still)
				}
			}
		}
	})
}
