package report_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gitsync/gitsync/report"
)

// later is a fleet some minutes after noon.
func later(minutes int, f report.Fleet) report.Fleet {
	f.When = noon.Add(time.Duration(minutes) * time.Minute)
	return f
}

var (
	dbFailed  = host("web3", report.Failed, "db", "never healthy")
	appFailed = host("web3", report.Failed, "app", "image not found", "db", "never healthy")
	mistaken  = host("web1", report.Invalid, "", "hosts/web1/containers.yaml:3:5: unknown key imge")
	away      = host("web9", report.Away, "", "no route to host")
	noGit     = report.Fleet{Commit: tip, Subject: "db: more memory", When: noon, Err: "fetch: connection refused"}
)

var messageCases = []struct {
	name          string
	before, after report.Fleet
}{
	{"nothing was known and all is well", report.Fleet{}, fleet(many()...)},
	{"several hosts fail at once", fleet(many()...), fleet(many(mistaken, dbFailed, away)...)},
	{"more hosts fail than can be named", fleet(), fleet(manyFailed(30)...)},
	{"one more container fails", fleet(many(dbFailed)...), fleet(many(appFailed)...)},
	{"one container recovers", fleet(many(appFailed)...), later(5, fleet(many(dbFailed)...))},
	{"all recovers", fleet(many(mistaken, dbFailed, away)...),
		later(90, fleet(many(deployed("web1"), deployed("web3"), deployed("web9"))...))},
	{"the cycle fails", fleet(many()...), noGit},
	{"the cycle works again", noGit, later(3, fleet(many()...))},
	{"drift is found", fleet(many()...), fleet(many(drifted("web1", memory, timezone), drifted("web2", gone))...)},
	{"drift is repaired at once", fleet(many()...), fleet(many(drifted("web1", repaired(gone)))...)},
	{"drift that was left is repaired", fleet(drifted("web1", memory)), fleet(drifted("web1", repaired(memory)))},
	{"drift goes away by itself", fleet(drifted("web1", memory)), fleet(drifted("web1"))},
	{"repairs are undone", fleet(drifted("web1", repaired(memory))), fleet(drifted("web1", fought(memory)))},
	{"all kinds at once", fleet(dbFailed, drifted("web1", memory)),
		fleet(deployed("web3"), drifted("web1", repaired(memory), fought(gone), timezone), mistakenOn("web4"))},
}

func mistakenOn(name string) report.Host {
	return host(name, report.Invalid, "", "hosts/"+name+"/host.yaml:1:1: unknown key ssl")
}

func manyFailed(n int) []report.Host {
	var hosts []report.Host
	for i := range n {
		hosts = append(hosts, host(fmt.Sprintf("web%02d", i), report.Failed, "db", "never healthy"))
	}
	return hosts
}

func TestMessagesAreGrouped(t *testing.T) {
	var got strings.Builder
	for _, c := range messageCases {
		fmt.Fprintf(&got, "# %s\n", c.name)
		for _, m := range report.Messages(c.before, c.after) {
			fmt.Fprintf(&got, "[%s] %s\n    %s\n", m.Level, m.Title, strings.ReplaceAll(m.Body, "\n", "\n    "))
		}
		got.WriteString("\n")
	}
	golden(t, "messages.golden", got.String())
}

func TestNothingIsToldWhenNothingChanged(t *testing.T) {
	for _, c := range messageCases {
		if got := report.Messages(c.after, later(10, c.after)); len(got) > 0 {
			t.Errorf("%s: told again: %v", c.name, got)
		}
	}
}

func TestWhatCouldNotBeSeenNeitherFailedAgainNorRecovered(t *testing.T) {
	for name, after := range map[string]report.Fleet{
		"the host is at work":              fleet(host("web3", report.Working)),
		"words changed and the commit not": fleet(host("web3", report.Failed, "db", "not healthy after 31s")),
		"the host is gone":                 fleet(deployed("web1")),
	} {
		if got := report.Messages(fleet(dbFailed), after); len(got) > 0 {
			t.Errorf("%s: told %v", name, got)
		}
	}
	got := report.Messages(fleet(dbFailed), fleet(host("web3", report.Away, "", "no route to host")))
	if len(got) != 1 || got[0].Level != report.Error || strings.Contains(got[0].Body, "recover") {
		t.Errorf("of a failed host that is away now was told: %v", got)
	}
}

func TestAnotherCommitThatFailsOtherwiseIsNews(t *testing.T) {
	fixed := fleet(host("web3", report.Failed, "db", "image not found"))
	fixed.Commit = older
	if got := report.Messages(fleet(dbFailed), fixed); len(got) != 1 || !strings.Contains(got[0].Body, "image not found") {
		t.Errorf("told %v, want the new failure", got)
	}
}
