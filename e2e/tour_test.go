package e2e_test

import (
	"context"
	"os/exec"
	"strings"
	"testing"
)

// The tour ends as it tells. On Docker it is "make demo", which CI runs.
func TestTheTourGoesAsTold(t *testing.T) {
	t.Parallel()
	built, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	output, err := exec.CommandContext(ctx, built, "demo", "--runtime", "memory").CombinedOutput()
	if err != nil || !strings.Contains(string(output), "The state branch is the history") {
		t.Errorf("gitsync demo --runtime memory: %v\n%s", err, output)
	}
	// What its commands log beside their answers, as one line of JSON each.
	if strings.Contains(string(output), `{"level":`) {
		t.Errorf("the tour shows a warning:\n%s", output)
	}
}
