package report_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gitsync/gitsync/report"
	"github.com/gitsync/gitsync/report/forge"
)

var statusCases = []struct {
	name    string
	fleet   report.Fleet
	options report.StatusOptions
}{
	{name: "all hosts are deployed", fleet: fleet(many()...)},
	{name: "a single host is deployed", fleet: fleet(deployed("web1"))},
	{name: "there are no hosts", fleet: fleet()},
	{name: "Git was never read", fleet: report.Fleet{Err: "connection refused"}},
	{name: "hosts are at work", fleet: fleet(many(
		host("web3", report.Working), host("web5", report.Working), host("web9", report.Away, "", "no route to host"))...)},
	{name: "containers failed", fleet: fleet(many(
		host("web3", report.Failed, "db", "never healthy", "app", "waits for db"), host("web4", report.Failed, "", "disk full"))...)},
	{name: "one failed while another is at work", fleet: fleet(
		host("web1", report.Working), host("web3", report.Failed, "db", "never healthy"))},
	{name: "failure wins over a host that is away", fleet: fleet(
		host("web1", report.Away, "", "no route to host"), host("web3", report.Failed, "db", "never healthy"))},
	{name: "a mistake comes before a failure", fleet: fleet(many(
		host("web0", report.Failed, "db", "never healthy"),
		host("web1", report.Invalid, "", "hosts/web1/containers.yaml:3:5: unknown key imge"))...)},
	{name: "the only host has a mistake", fleet: fleet(
		host("web1", report.Invalid, "", "hosts/web1/containers.yaml:3:5: unknown key imge"))},
	{name: "a host is away", fleet: fleet(many(host("web9", report.Away, "", "dial tcp 10.0.0.9:22: no route to host"))...)},
	{name: "nobody says why", fleet: fleet(many(host("web9", report.Failed))...)},
	{name: "the cycle failed", fleet: report.Fleet{Commit: tip, Err: "push gitsync/state: refused", Hosts: many()}},
	{name: "the cycle and a host failed", fleet: report.Fleet{
		Commit: tip, Err: "push gitsync/state: refused", Hosts: many(host("web3", report.Failed, "db", "never healthy")),
	}},
	{name: "a container is suspended", fleet: fleet(many(suspended(deployed("web1"), "db", "restore running"))...)},
	{name: "contexts for each host and an instance",
		fleet:   fleet(deployed("web1"), host("web3", report.Failed, "db", "never healthy"), report.Host{Name: "web4", Phase: report.Working}),
		options: report.StatusOptions{Prefix: "ops", Instance: "eu", PerHost: true, TargetURL: "https://ops.example/"}},
	{name: "drift is left", fleet: fleet(many(drifted("web1", memory), drifted("web2", timezone, gone))...)},
	{name: "drift was repaired", fleet: fleet(many(drifted("web1", repaired(gone)), drifted("web2", repaired(memory)))...)},
	{name: "some was repaired and some is left", fleet: fleet(drifted("web1", repaired(gone), timezone))},
	{name: "somebody undoes repairs", fleet: fleet(many(drifted("web1", fought(memory), fought(gone)), drifted("web2", timezone))...)},
	{name: "drift of what is suspended", fleet: fleet(suspended(drifted("web1", memory), "db", "restore running"), suspended(drifted("web2", timezone), "", "moving"))},
	{name: "a host cannot be checked", fleet: fleet(many(host("web9", report.Away, "", "no route to host"))...)},
	{name: "drift is left and a host cannot be checked", fleet: fleet(many(drifted("web1", memory), host("web9", report.Away, "", "no route to host"))...)},
	{name: "nothing was ever deployed", fleet: fleet(report.Host{Name: "web1", Phase: report.Working})},
}

func TestStatusesSayTheEssential(t *testing.T) {
	var got strings.Builder
	for _, c := range statusCases {
		fmt.Fprintf(&got, "# %s\n", c.name)
		for _, s := range report.Statuses(c.fleet, c.options) {
			fmt.Fprintf(&got, "%s %s %s: %s", s.Commit[:7], s.Context, s.State, s.Description)
			if s.TargetURL != "" {
				fmt.Fprintf(&got, " <%s>", s.TargetURL)
			}
			got.WriteString("\n")
		}
		got.WriteString("\n")
	}
	golden(t, "statuses.golden", got.String())
}

func TestDriftIsSaidOfTheCommitThatIsDeployed(t *testing.T) {
	newer := deployed("web2")
	newer.Deployed, newer.DeployedAt = strings.Repeat("c", 40), noon
	onTip := deployed("web2")
	onTip.Deployed = tip
	failed := host("web1", report.Failed, "db", "never healthy")
	never := report.Host{Name: "web3", Phase: report.Failed}
	for _, c := range []struct {
		name  string
		fleet report.Fleet
		want  string
	}{
		{"all hosts are as the tip says", fleet(deployed("web1"), newer), tip},
		{"the tip failed", fleet(failed, newer), newer.Deployed},
		{"a host has the tip", fleet(failed, onTip), tip},
		{"a host never had anything", fleet(failed, never), older},
		{"no host ever had anything", fleet(never), ""},
		{"there is no tip", report.Fleet{Err: "no Git", Hosts: []report.Host{deployed("web1")}}, older},
	} {
		got := ""
		for _, s := range report.Statuses(c.fleet, report.StatusOptions{}) {
			if s.Context == "gitsync/drift" {
				got = s.Commit
			}
		}
		if got != c.want {
			t.Errorf("%s: drift is said of %q, want %q", c.name, got, c.want)
		}
	}
}

func TestThatThereIsNoDriftIsNotSaidWhileAHostIsAtWork(t *testing.T) {
	for drift, want := range map[*report.Drift]int{nil: 1, &memory: 2} {
		h := deployed("web1")
		if drift != nil {
			h.Drift = []report.Drift{*drift}
		}
		got := report.Statuses(fleet(h, host("web2", report.Working)), report.StatusOptions{})
		if len(got) != want {
			t.Errorf("with drift %v: got %v, want %d statuses", drift, got, want)
		}
	}
}

func TestDescriptionsFitAndAreOneLineOfPlainText(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("word ", 100),
		strings.Repeat("x", 500),
		strings.Repeat("é", 141),
		"a\nb\r\n\tc \x1b[31mred\x00 \u202Egnp.exe\u2066 \u200bzero \x85 \u2028 end",
		"bad \xff\xfe bytes",
	} {
		for _, s := range report.Statuses(fleet(host("web1", report.Failed, "db", text), deployed("web2")), report.StatusOptions{}) {
			if n := utf8.RuneCountInString(s.Description); n > 140 {
				t.Errorf("%d characters: %s", n, s.Description)
			}
			if !utf8.ValidString(s.Description) || strings.ContainsAny(s.Description, "\n\r\t\x00\x1b\u202e\u2066\u200b\u0085\u2028") {
				t.Errorf("it is not plain: %q", s.Description)
			}
			if s.State == forge.Failure && !strings.HasPrefix(s.Description, "1 of 2 hosts failed: web1 db: ") {
				t.Errorf("it does not say the essential first: %q", s.Description)
			}
		}
	}
}

func TestALongDescriptionIsCutAtAWord(t *testing.T) {
	s := report.Statuses(fleet(host("web1", report.Failed, "db", strings.Repeat("word ", 100))), report.StatusOptions{})
	if got := s[0].Description; !strings.HasSuffix(got, " word…") {
		t.Errorf("got %q, want whole words and …", got)
	}
}

// What a process has not looked at yet is told neither as well nor as newly wrong.
func TestOfAHostThatIsUnseenNobodyIsToldThatAllIsWell(t *testing.T) {
	unseen := deployed("web1")
	unseen.Unseen = true
	if got := report.Statuses(at('a', unseen), report.StatusOptions{PerHost: true}); len(got) > 0 {
		t.Errorf("statuses: %v, want none", got)
	}
	failed := at('a', fresh("web1", report.Failed))
	if got := report.Messages(failed, at('a', unseen)); len(got) > 0 {
		t.Errorf("messages: %v, want none: it is not known whether it recovered", got)
	}
	got := report.Statuses(at('a', unseen, fresh("web2", report.Working)), report.StatusOptions{})
	if len(got) != 1 || got[0].State != forge.Pending {
		t.Errorf("statuses: %v, want that web2 is at work", got)
	}
}
