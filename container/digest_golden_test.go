package container_test

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitsync/gitsync/container"
)

// golden is a line of testdata/digests_v2.jsonl: containers of one machine, and the digests
// that the last release which wrote "v2:" labels gave them.
type golden struct {
	Name       string                    `json:"name"`
	Containers container.ContainersState `json:"containers"`
	Digests    map[string]string         `json:"digests"`
}

// goldens reads the digests of the release. They are what labels on running containers say:
// a line is never changed.
func goldens(t *testing.T) []golden {
	t.Helper()
	raw, err := os.ReadFile("testdata/digests_v2.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var all []golden
	for line := range bytes.Lines(raw) {
		var g golden
		if err := json.Unmarshal(line, &g); err != nil {
			t.Fatal(err)
		}
		all = append(all, g)
	}
	return all
}

func TestDigestsAreThoseOfTheRelease(t *testing.T) {
	t.Parallel()
	for _, g := range goldens(t) {
		d, err := (&container.Containers{DesiredState: g.Containers}).Deployment()
		if err != nil {
			t.Fatalf("%s: %v", g.Name, err)
		}
		for key, m := range d.DesiredState() {
			if !m.HasSpecDigest(g.Digests[key]) {
				t.Errorf("%s: container %s does not have digest %s any more: an upgrade would re-create it", g.Name, key, g.Digests[key])
			}
		}
	}
}

// TestDigestsOfThisFormAreFrozenToo fails when a digest of the form that labels have now
// becomes another one: that needs a new form, and this one kept.
func TestDigestsOfThisFormAreFrozenToo(t *testing.T) {
	t.Parallel()
	var got []string
	for _, g := range goldens(t) {
		d, err := (&container.Containers{DesiredState: g.Containers}).Deployment()
		if err != nil {
			t.Fatalf("%s: %v", g.Name, err)
		}
		for key, m := range d.DesiredState() {
			got = append(got, m.SpecDigest()+" "+key+" of "+g.Name)
		}
	}
	slices.Sort(got)
	want, err := os.ReadFile("testdata/digests_v3.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(strings.TrimSpace(string(want)), "\n"), got); diff != "" {
		t.Errorf("digests differ (-want +got):\n%s", diff)
	}
}
