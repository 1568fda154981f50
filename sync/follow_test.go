package sync_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/policy"
	"github.com/gitsync/gitsync/sync"
	"github.com/gitsync/gitsync/trust"
)

func TestAPolicyThatChangedCountsInTheNextCycle(t *testing.T) {
	allows, err := policy.Parse([]byte("hosts: {web1: {privileged: allow}}"), "policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	now := allows
	w := newWorld(t, func(o *sync.Options) { o.CurrentPolicy = func(context.Context) *policy.Policy { return now } })
	w.commit(map[string]string{web1: web("nginx:1.26") + "    privileged: true\n"}, "start")
	w.cycle()
	before := w.machine.Containers()["web"].ID

	now = policy.Default()
	if r := w.fail(); len(r.Invalid) != 1 || !strings.Contains(r.Mistakes.Error(), "privileged") {
		t.Errorf("invalid %v, mistakes %v", r.Invalid, r.Mistakes)
	}
	if after := w.machine.Containers()["web"].ID; after != before {
		t.Errorf("the container was replaced: %s, %s", before, after)
	}
	now = allows
	w.cycle()
}

func TestKeysThatCannotBeReadDeployNothingNewAndRepairsGoOn(t *testing.T) {
	w, k := newSignedWorld(t)
	w.signed(k, map[string]string{web1: web("nginx:1.26")}, "start")
	w.cycle()
	w.signed(k, map[string]string{web1: web("nginx:1.27")}, "next")
	for _, restarted := range []bool{false, true} {
		k.options = `valid-after="nonsense"`
		if restarted {
			w.open(w.repo.Dir)
		}
		w.machine.Remove("web")
		r := w.fail()
		if !errors.Is(r.GitErr, trust.ErrKeys) || sync.React(r.GitErr) != sync.NeedsPerson {
			t.Errorf("restarted %v: %v, %v", restarted, r.Err, r.GitErr)
		}
		w.runs("web", "nginx:1.26")
	}
	k.options = ""
	w.cycle()
	w.runs("web", "nginx:1.27")
}

func TestAFetchThatIsInterruptedIsNoErrorInTheLog(t *testing.T) {
	w := newWorld(t)
	var log bytes.Buffer
	ctx, cancel := context.WithCancel(zerolog.New(&log).WithContext(t.Context()))
	defer cancel()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		cancel()
		<-ctx.Done()
	}))
	defer server.Close()
	w.open(server.URL + "/infra.git")
	if r := w.syncer.Cycle(ctx); r.Converged() {
		t.Error("a cycle that was interrupted converged")
	}
	if strings.Contains(log.String(), `"level":"error"`) || !strings.Contains(log.String(), "interrupted") {
		t.Errorf("the log says %s", log.String())
	}
}
