package sync_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// eightOf are eight containers of one image, replaced one at a time.
func eightOf(image string) map[string]string {
	text := "containers:\n"
	for i := range 8 {
		text += fmt.Sprintf("  a%d:\n    image: %s\n    update: {monitor: 1ms}\n", i, image)
	}
	return map[string]string{web1: text, "hosts/web1/host.yaml": "parallelism: 1\n"}
}

// A new image that fails in one container disturbs no other one, neither at once nor when
// it is tried again, and all follow when it works.
func TestANewImageThatFailsIsTriedInOneContainer(t *testing.T) {
	w := newBrokenWorld(t)
	w.commit(eightOf("nginx:1.26"), "start")
	w.cycle()
	w.commit(eightOf(crash), "broken")
	var waited []time.Duration
	for range 4 {
		for pause := time.Duration(0); ; pause += 10 * time.Second {
			w.watched.Reset()
			r := w.fail()
			var tried []string
			for _, call := range w.watched.Calls() {
				if name, ok := strings.CutPrefix(call, "create "); ok && strings.HasSuffix(name, ".gitsync-new") {
					tried = append(tried, name)
				}
			}
			if len(tried) > 1 {
				t.Fatalf("tried in %v after %v, want one container", tried, waited)
			}
			for i := range 8 {
				w.runs(fmt.Sprintf("a%d", i), "nginx:1.26")
			}
			if len(tried) == 1 {
				waited = append(waited, pause)
				break
			}
			if text := fmt.Sprint(problems(r)...); !strings.Contains(text, "its update is tried at") {
				t.Errorf("problems %q do not say when the others are tried", text)
			}
			w.open(w.repo.Dir)
			w.wait(10 * time.Second)
		}
	}
	if want := []time.Duration{0, 10 * time.Second, 20 * time.Second, 40 * time.Second}; !slices.Equal(waited, want) {
		t.Errorf("tries after %v, want %v", waited, want)
	}
	w.machine.Behave(crash, newBehaviour)
	w.wait(time.Hour)
	w.cycle()
	for i := range 8 {
		w.runs(fmt.Sprintf("a%d", i), crash)
	}
}

func TestWhatWasHeldBackByAnotherFailureCanBeRetriedByHand(t *testing.T) {
	w := newBrokenWorld(t)
	w.commit(eightOf("nginx:1.26"), "start")
	w.cycle()
	w.commit(eightOf(crash), "broken")
	w.fail()
	w.machine.Behave(crash, newBehaviour)
	retried, err := w.syncer.Retry(t.Context(), []string{"web1/a5"})
	if err != nil || !slices.Equal(retried, []string{"web1/a5"}) {
		t.Fatalf("retry: %v, %v", retried, err)
	}
	w.fail()
	w.runs("a5", crash)
	w.runs("a0", "nginx:1.26")
}
