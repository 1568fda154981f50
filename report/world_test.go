package report_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/gitsync/gitsync/report"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares text with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: (-want +got)\n%s", file, diff)
	}
}

var (
	tip   = strings.Repeat("a", 40)
	older = strings.Repeat("b", 40)
	noon  = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
)

// fleet is one at the tip.
func fleet(hosts ...report.Host) report.Fleet {
	return report.Fleet{Commit: tip, Subject: "db: more memory", When: noon, Hosts: hosts}
}

// deployed is a host that is as the tip says.
func deployed(name string) report.Host {
	return report.Host{Name: name, Phase: report.Deployed, Deployed: older, DeployedAt: noon.Add(-time.Hour)}
}

// host is one in a phase, with problems as container, text, container, text.
func host(name string, phase report.Phase, problems ...string) report.Host {
	h := deployed(name)
	h.Phase = phase
	for i := 0; i < len(problems); i += 2 {
		h.Problems = append(h.Problems, report.Problem{Container: problems[i], Text: problems[i+1]})
	}
	return h
}

// drifted is a deployed host on which something differs.
func drifted(name string, drift ...report.Drift) report.Host {
	h := deployed(name)
	h.Drift = drift
	return h
}

// suspended leaves a container of a host alone.
func suspended(h report.Host, container, reason string) report.Host {
	h.Suspended = map[string]string{container: reason}
	return h
}

// many are deployed hosts, enough for a fleet of 14 with others.
func many(others ...report.Host) []report.Host {
	var hosts []report.Host
	for i := len(others); i < 14; i++ {
		hosts = append(hosts, deployed("app"+string(rune('a'+i))))
	}
	return append(hosts, others...)
}

var (
	memory   = report.Drift{Container: "db", Field: "memory", Wanted: "512MiB", Found: "1GiB"}
	gone     = report.Drift{Container: "db", Field: "status", Wanted: "running", Found: "gone"}
	timezone = report.Drift{Container: "app", Field: "env.TZ", Found: "UTC"}
)

func repaired(d report.Drift) report.Drift {
	d.Repaired = true
	return d
}

func fought(d report.Drift) report.Drift {
	d.Fought = true
	return d
}
