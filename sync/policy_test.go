package sync_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/gitsync/gitsync/policy"
	"github.com/gitsync/gitsync/sync"
)

// withPolicy has the syncer obey a policy.
func withPolicy(t *testing.T, text string) func(*sync.Options) {
	t.Helper()
	p, err := policy.Parse([]byte(text), "policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return func(o *sync.Options) { o.Policy = p }
}

func TestACommitThatThePolicyDeniesChangesNothingOnTheHost(t *testing.T) {
	denied := map[string]map[string]string{
		"in the host's own file": {web1: web("nginx:1.27") + "    privileged: true\n    configFiles: {/srv/web.conf: new}\n"},
		"beside a good change":   {web1: web("nginx:1.27") + "  other: {image: x, pidMode: host}\n"},
		"in a job": {web1: web("nginx:1.27") + "    dependsOn: {job: completed}\n" +
			"  job: {image: x, preDeploy: true, restart: \"no\", mounts: [\"/:/host\"]}\n"},
		"in a group": {
			web1:                         web("nginx:1.27"),
			"hosts/web1/host.yaml":       "groups: [all]\n",
			"groups/all/containers.yaml": "containers:\n  web:\n    capAdd: [SYS_ADMIN]\n",
		},
		"by a variable": {
			web1:                   web("nginx:1.27") + "    pidMode: ${vars.mode}\n",
			"hosts/web1/host.yaml": "vars: {mode: host}\n",
		},
		"by another name of the socket": {web1: web("nginx:1.27") + "    mounts: [\"/run/docker.sock:/s\"]\n"},
		"by a config file":              {web1: web("nginx:1.27") + "    configFiles: {/etc/cron.d/x: \"* * * * * root true\"}\n"},
	}
	for name, files := range denied {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.commit(map[string]string{web1: web("nginx:1.26") + "    configFiles: {/srv/web.conf: old}\n", db1: database("postgres:16")}, "start")
			w.cycle()
			before := w.machine.Containers()
			w.watched.Reset()
			// Another host follows the commit meanwhile.
			files = maps.Clone(files)
			files[db1] = database("postgres:17")
			w.commit(files, "denied")
			r := w.fail()
			if len(r.Mistakes) == 0 || !strings.Contains(r.Mistakes.Error(), "allowed by the default profile (rule ") {
				t.Errorf("got the mistakes %v", r.Mistakes)
			}
			for _, call := range w.watched.Calls() {
				if strings.Contains(call, "web") {
					t.Errorf("the host was touched: %s", call)
				}
			}
			if after := w.machine.Containers()["web"]; after.ID != before["web"].ID {
				t.Errorf("got %+v, want %+v", after, before["web"])
			}
			w.runs("db", "postgres:17")
			w.commit(map[string]string{web1: web("nginx:1.28"), "hosts/web1/host.yaml": "{}\n"}, "good")
			w.cycle()
			w.runs("web", "nginx:1.28")
		})
	}
}

func TestThePolicyOfTheAgentAllowsMore(t *testing.T) {
	w := newWorld(t, withPolicy(t, "hosts: {web1: {privileged: allow}}"))
	w.commit(map[string]string{
		web1: web("nginx:1.26") + "    privileged: true\n",
		db1:  database("postgres:16") + "    privileged: true\n",
		// What the repo itself says about it counts nothing.
		"policy.yaml": "extends: none\n",
	}, "start")
	if r := w.fail(); len(r.Invalid) != 1 || r.Invalid[0] != "db1" {
		t.Errorf("got the invalid hosts %v, want db1", r.Invalid)
	}
	w.runs("web", "nginx:1.26")
	w.runs("db", "")
	// A new process with the default profile denies what was deployed before, and leaves it.
	w.opts.Policy = nil
	w.open(w.repo.Dir)
	w.fail()
	w.runs("web", "nginx:1.26")
}

// An upgrade does not stop a host whose config files were allowed by earlier versions, and
// allows no new ones. Nothing but a record that is confirmed counts.
func TestAConfigFileThatIsDeployedStaysWhereTheProfileDeniesIt(t *testing.T) {
	files := func(image, lines string) map[string]string {
		return map[string]string{web1: web(image) + "    configFiles: {" + lines + "}\n"}
	}
	w := newWorld(t, withPolicy(t, "hosts: {web1: {configFiles: {allow: [/etc]}}}"))
	w.commit(files("nginx:1.26", "/etc/web.conf: one, /etc/cron.d/x: one"), "start")
	w.cycle()
	w.opts.Policy = nil
	w.open(w.repo.Dir)

	// What the earlier profile denied too must go, whoever allowed it.
	r := w.fail()
	if text := r.Mistakes.Error(); !strings.Contains(text, "/etc/cron.d/x") || strings.Contains(text, "/etc/web.conf") {
		t.Errorf("got %s, want a mistake about the cron job alone", text)
	}
	w.commit(files("nginx:1.27", "/etc/web.conf: two"), "without it")
	w.cycle()
	w.runs("web", "nginx:1.27")
	if f, _ := w.machine.HostFile("/etc/web.conf"); f.Content != "two" {
		t.Errorf("got %q, want the new content", f.Content)
	}
	// A second one is a mistake.
	w.commit(files("nginx:1.28", "/etc/web.conf: two, /etc/other.conf: x"), "one more")
	if text := w.fail().Mistakes.Error(); !strings.Contains(text, `hosts: {web1: {configFiles: {allow: ["/etc/other.conf"]}}}`) || strings.Contains(text, "/etc/web.conf") {
		t.Errorf("got %s, want a mistake about the other file alone", text)
	}
	w.runs("web", "nginx:1.27")
	// Behind a boundary it may not stay.
	w.opts.Policy = policy.Strict()
	w.open(w.repo.Dir)
	if text := w.fail().Mistakes.Error(); !strings.Contains(text, `configFiles "/etc/web.conf"`) {
		t.Errorf("got %s, want a mistake about each file", text)
	}
	w.opts.Policy = nil
	w.open(w.repo.Dir)
	// Once it has left the repo it must not come back.
	w.commit(files("nginx:1.28", "/srv/web.conf: x"), "moved")
	w.cycle()
	w.commit(files("nginx:1.29", "/etc/web.conf: two"), "back")
	w.fail()
	w.runs("web", "nginx:1.28")
}

func TestARecordThatIsNotConfirmedKeepsNoConfigFileAllowed(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{web1: web("nginx:1.26") + "    configFiles: {/srv/web.conf: one}\n"}, "start")
	w.cycle()
	path := "hosts/web1/state.yaml"
	forged := strings.ReplaceAll(w.repo.Show("gitsync/state", path), "/srv/web.conf", "/etc/web.conf")
	w.repo.Commit("gitsync/state", map[string]string{path: forged}, "forged")
	w.commit(map[string]string{web1: web("nginx:1.27") + "    configFiles: {/etc/web.conf: evil}\n"}, "evil")
	if text := w.fail().Mistakes.Error(); !strings.Contains(text, "/etc/web.conf") {
		t.Errorf("got %s, want a mistake about the file", text)
	}
	w.runs("web", "nginx:1.26")
	if f, there := w.machine.HostFile("/etc/web.conf"); there {
		t.Errorf("got the file %+v", f)
	}
}

// forge changes the record of a host by hand, and has a new process find it, which believes
// it: what is denied is so whoever wrote the record.
func (w *world) forge(host, old, forged string) {
	w.t.Helper()
	path := "hosts/" + host + "/state.yaml"
	record := w.repo.Show("gitsync/state", path)
	if !strings.Contains(record, old) {
		w.t.Fatalf("the record has no %q:\n%s", old, record)
	}
	w.repo.Commit("gitsync/state", map[string]string{path: strings.ReplaceAll(record, old, forged)}, "forged")
	w.opts.TrustRecords = true
	w.open(w.repo.Dir)
}

func (w *world) wantUntouched(r *sync.Result, image string) {
	w.t.Helper()
	for _, call := range w.watched.Calls() {
		if strings.HasPrefix(call, "create ") && strings.Contains(call, image) || strings.HasPrefix(call, "start ") {
			w.t.Errorf("the forged record brought something about: %s", call)
		}
	}
	for _, h := range r.Hosts {
		if h.Err != nil && strings.Contains(h.Err.Error(), "rule privileged") && strings.Contains(h.Err.Error(), "gitsync/state") {
			return
		}
	}
	w.t.Errorf("nothing says that the record is denied: %v", problems(r))
}

func TestAForgedRecordIsNotBroughtBackAfterAFailedUpdate(t *testing.T) {
	w := newBrokenWorld(t)
	w.commit(map[string]string{web1: web("nginx:1.26")}, "start")
	w.cycle()
	w.commit(map[string]string{web1: web(crash)}, "broken")
	w.fail()
	w.machine.Remove("web")
	w.forge("web1", "image: nginx:1.26", "image: nginx:1.26\n        privileged: true")
	w.watched.Reset()
	w.wantUntouched(w.fail(), "web")
	w.runs("web", "")
	// What a commit says is deployed all the same.
	w.commit(map[string]string{web1: web("nginx:1.27")}, "good")
	w.cycle()
	w.runs("web", "nginx:1.27")
}

func TestAForgedRecordIsNotBroughtBackWhereAHostWaitsForItsTurn(t *testing.T) {
	w := startFleet(t)
	w.commit(fleet("rollout: {canary: [h3], monitor: 10m}", "a:2"), "next")
	w.fail()
	w.wait(time.Minute)
	w.machine.Remove("c1")
	w.forge("h1", "image: a:1", "image: a:1\n        privileged: true")
	w.watched.Reset()
	w.wantUntouched(w.fail(), "c1")
	w.runs("c1", "")
	// One that is there is left as it is, and not removed.
	w.forge("h2", "image: a:1", "image: evil:1\n        privileged: true")
	w.watched.Reset()
	w.wantUntouched(w.fail(), "c2")
	w.runs("c2", "a:1")
	w.wait(20 * time.Minute)
	w.cycle()
	w.wantFollow("a:2", allHosts)
}

func TestAForgedRecordIsNotBroughtBackWhileItsContainerMoves(t *testing.T) {
	w, m := newMachines(t)
	w.commit(merged(on("web1", "a", map[string]string{"db": "pg:1"}), on("web2", "b", nil)), "start")
	w.cycle()
	m.lose("b")
	w.commit(merged(on("web1", "a", nil), on("web2", "b", map[string]string{"db": "pg:1"})), "Move db")
	w.fail()
	m.world("a").SetStatus("db", "exited")
	w.forge("web1", "image: pg:1", "image: pg:1\n        privileged: true")
	w.fail()
	if got := m.runs("a"); got != "" {
		t.Errorf("web1 runs %q, which the forged record brought about", got)
	}
	m.find("b")
	w.wait(time.Hour)
	w.fail() // it is told until the container has moved
	w.cycle()
	if a, b := m.runs("a"), m.runs("b"); a != "" || b != "db" {
		t.Errorf("web1 runs %q and web2 runs %q, want nothing and db", a, b)
	}
}

func TestARollbackWritesNoSetuidFile(t *testing.T) {
	const file = "    configFiles: {/srv/tool: {content: %, mode: \"0755\"}}\n"
	w := newBrokenWorld(t)
	w.commit(map[string]string{web1: web("nginx:1.26") + strings.Replace(file, "%", "old", 1)}, "start")
	w.cycle()
	// 493 is 0755, and 2541 is 04755.
	w.forge("web1", "mode: 493", "mode: 2541")
	w.commit(map[string]string{web1: web(crash) + strings.Replace(file, "%", "new", 1)}, "broken")
	w.fail()
	if f, there := w.machine.HostFile("/srv/tool"); !there || f.Content != "old" || f.Mode != 0o755 {
		t.Errorf("got %q with the mode %#o, want the old file with 0755", f.Content, f.Mode)
	}
}
