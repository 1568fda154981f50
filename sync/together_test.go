package sync_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// handOver moves q0 to the port of p1, which leaves, and gives q0's own to r1.
func handOver(image string) map[string]string {
	return map[string]string{web1: `containers:
  q0: {image: "` + image + `", ports: ["80:80"], update: {monitor: 1ms}}
  r1: {image: "nginx:1.26", ports: ["81:80"], update: {monitor: 1ms}}
`}
}

func newHandOver(t *testing.T) *world {
	w := newBrokenWorld(t)
	w.commit(map[string]string{web1: `containers:
  p1: {image: "nginx:1.26", ports: ["80:80"], update: {monitor: 1ms}}
  q0: {image: "nginx:1.26", ports: ["81:80"], update: {monitor: 1ms}}
`}, "start")
	w.cycle()
	w.commit(handOver(crash), "broken")
	return w
}

// What hands something on to each other is tried, and waits, together.
func TestWhatWasTakenBackTogetherIsTriedAgainTogether(t *testing.T) {
	w := newHandOver(t)
	for _, pause := range []time.Duration{10 * time.Second, 20 * time.Second} {
		w.watched.Reset()
		r := w.fail()
		if text := fmt.Sprint(problems(r)...); !strings.Contains(text, "p1: not updated without q0") || !strings.Contains(text, "r1: not updated without q0") {
			t.Errorf("problems %q do not name those that wait for q0", text)
		}
		for waited := time.Duration(0); waited < pause; waited += 5 * time.Second {
			w.watched.Reset()
			w.fail()
			w.runs("p1", "nginx:1.26")
			w.runs("q0", "nginx:1.26")
			w.runs("r1", "")
			for _, call := range w.watched.Calls() {
				if method, _, _ := strings.Cut(call, " "); slices.Contains([]string{"create", "stop", "start", "delete", "rename"}, method) {
					t.Errorf("while it waits it is disturbed: %s", call)
				}
			}
			w.open(w.repo.Dir)
			w.wait(5 * time.Second)
		}
	}
	w.machine.Behave(crash, newBehaviour)
	w.cycle()
	w.runs("p1", "")
	w.runs("q0", crash)
	w.runs("r1", "nginx:1.26")
}

func TestARetryOfOneRetriesWhatItIsUpdatedTogetherWith(t *testing.T) {
	for _, target := range []string{"web1/p1", "web1/q0", "web1/r1"} {
		t.Run(target, func(t *testing.T) {
			w := newHandOver(t)
			w.fail()
			w.machine.Behave(crash, newBehaviour)
			retried, err := w.syncer.Retry(t.Context(), []string{target})
			if err != nil || !slices.Equal(retried, []string{"web1/p1", "web1/q0", "web1/r1"}) {
				t.Fatalf("retry: %v, %v", retried, err)
			}
			w.cycle()
			w.runs("p1", "")
			w.runs("q0", crash)
			w.runs("r1", "nginx:1.26")
		})
	}
}

// A commit that gives the idea up finds everything as it was.
func TestACommitThatGoesBackFindsWhatWasTakenBack(t *testing.T) {
	w := newHandOver(t)
	w.fail()
	w.commit(map[string]string{web1: `containers:
  q0: {image: "nginx:1.26", ports: ["81:80"], update: {monitor: 1ms}}
`}, "without p1")
	w.cycle()
	w.runs("p1", "")
	w.runs("q0", "nginx:1.26")
	w.runs("r1", "")
}
