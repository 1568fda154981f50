package sync_test

import (
	"strings"
	"testing"
	"time"
)

// leaves breaks a host by hand, and looks at it again and again: what was found must stay
// as it is, and be told as long.
func leaves(t *testing.T, policy string, breakIt, check func(w *world), told string) *world {
	t.Helper()
	w := newWorld(t)
	w.commit(map[string]string{
		"hosts/web1/host.yaml": "drift: " + policy + "\n",
		web1:                   web("nginx") + "    configFiles: {/srv/web.conf: \"as deployed\\n\"}\n",
	}, "one")
	w.cycle()
	breakIt(w)
	for range 3 {
		w.wait(10 * time.Minute)
		w.cycle()
		check(w)
		if got := w.diary()[0]; !strings.HasPrefix(got, told) {
			t.Errorf("the diary says %q", got)
		}
	}
	return w
}

func TestAMissingContainerIsLeftAsLongAsThePolicySaysSo(t *testing.T) {
	remove := func(w *world) { w.machine.Remove("web") }
	missing := func(w *world) { w.runs("web", "") }
	w := leaves(t, "{policy: report}", remove, missing, "Find drift on web1: web (status: missing instead of running)")
	leaves(t, "{policy: ignore}", remove, missing, "Deploy ")
	leaves(t, "{ignore: [status]}", remove, missing, "Deploy ")

	w.opts.RepairNow = true
	w.open(w.repo.Dir)
	w.cycle()
	w.runs("web", "nginx")
	if got := w.diary()[0]; got != "Repair web1: create web (container is gone from the host)" {
		t.Errorf("the diary says %q", got)
	}
}

func TestAChangedFileIsLeftAsLongAsThePolicySaysSo(t *testing.T) {
	write := func(w *world) { w.machine.WriteHostFile("/srv/web.conf", "by hand\n") }
	written := func(w *world) {
		if file, _ := w.machine.HostFile("/srv/web.conf"); file.Content != "by hand\n" {
			t.Errorf("the file holds %q", file.Content)
		}
		if strings.Contains(w.repo.Show("gitsync/state", "hosts/web1/state.yaml"), "by hand") {
			t.Error("what was found is in the record")
		}
	}
	w := leaves(t, "{policy: report}", write, written, "Find drift on web1: web (configFiles./srv/web.conf: other content")
	leaves(t, "{ignore: [configFiles]}", write, written, "Deploy ")

	w.opts.RepairNow = true
	w.open(w.repo.Dir)
	w.cycle()
	if file, _ := w.machine.HostFile("/srv/web.conf"); file.Content != "as deployed\n" {
		t.Errorf("the file holds %q", file.Content)
	}
}
