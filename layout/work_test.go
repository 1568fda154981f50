package layout_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/layout"
)

// loadWorst loads one of the inputs that ask for much work.
func loadWorst(t *testing.T, name string) (*layout.Loader, *layout.Repo, error) {
	t.Helper()
	loader := layout.NewLoader()
	repo, err := loader.Load(context.Background(), tree(worst[name]()), layout.Options{})
	return loader, repo, err
}

func TestPortRangesAreCountedBeforeTheyAreWrittenOut(t *testing.T) {
	loader, repo, err := loadWorst(t, "all ports again and again")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := repo.Mistakes().Error(), "hosts/a/containers.yaml:2:28: the host publishes more than 20000 ports (publish fewer, or use networkMode: host)"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if steps, _, _ := loader.Spent(); steps > 100_000 {
		t.Errorf("the load took %d steps, want at most ten for each of the 10000 containers", steps)
	}
}

func TestHintsAreFoundForMistakesThatArePrintedAndForNoOthers(t *testing.T) {
	loader, repo, err := loadWorst(t, "unknown keys")
	if err != nil {
		t.Fatal(err)
	}
	mistakes := repo.Mistakes()
	if len(mistakes) != layout.MaxPrinted+1 || mistakes[0].Hint != `did you mean "image"?` {
		t.Errorf("got %d mistakes, the first one %v; want %d with hints", len(mistakes), mistakes[0], layout.MaxPrinted+1)
	}
	if _, _, hints := loader.Spent(); hints != layout.MaxPrinted {
		t.Errorf("%d hints were looked for, want one for each of the %d mistakes that are printed", hints, layout.MaxPrinted)
	}
}

func TestHintsAreWorthSoManyComparisonsAndNoMore(t *testing.T) {
	for name, want := range map[string]string{
		"names like those of ten thousand containers": `dependsOn: there is no container "a-long-name-of-a-contaner-0" (did you mean "a-long-name-of-a-container-0"?)`,
		"names like those of ten thousand groups":     `rollout.canary: there is no host "a-long-name-of-a-hots-0" (did you mean "a-long-name-of-a-host-0"?)`,
	} {
		t.Run(name, func(t *testing.T) {
			loader, repo, err := loadWorst(t, name)
			if err != nil {
				t.Fatal(err)
			}
			if got := repo.Mistakes()[0].Error(); !strings.HasSuffix(got, want) {
				t.Errorf("got %s, want %s", got, want)
			}
			if _, comparisons, _ := loader.Spent(); comparisons == 0 || comparisons > layout.MaxComparisons {
				t.Errorf("%d names were compared, want at most %d", comparisons, layout.MaxComparisons)
			}
		})
	}
}

func TestALoadThatTakesTooMuchWorkNamesTheBudgetAndTheLine(t *testing.T) {
	_, repo, err := loadWorst(t, "groups that are merged one by one")
	if err != nil {
		t.Fatal(err)
	}
	const want = "the host takes more than 2000000 steps of work to load (use fewer aliases, groups and containers, or several hosts)"
	if got := repo.Mistakes().Error(); !strings.HasPrefix(got, "groups/g") || !strings.Contains(got, ".yaml:1:") || !strings.Contains(got, want) {
		t.Errorf("got %s, want a place and %s", got, want)
	}

	_, _, err = loadWorst(t, "groups of many hosts")
	if !errors.Is(err, layout.ErrTooLarge) || !strings.Contains(err.Error(), "more than 5000000 steps of work in all: split the repo") || !strings.Contains(err.Error(), ".yaml:1:") {
		t.Errorf("got %v, want the budget and a place", err)
	}
}

func TestALongTextCountsAsOftenAsAliasesRepeatIt(t *testing.T) {
	_, repo, err := loadWorst(t, "a long text with many names")
	if err != nil {
		t.Fatal(err)
	}
	const want = "hosts/a/containers.yaml:1:1: the file holds more than 500000 values, aliases expanded (use fewer aliases)"
	if got := repo.Mistakes().Error(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestPathsOfConfigFilesHaveNoMoreThanSoManyDirectories(t *testing.T) {
	deep := strings.Repeat("/a", layout.MaxPathDepth)
	got := load(t, tree(map[string]string{
		"hosts/a/containers.yaml": fmt.Sprintf("containers: {web: {image: x, configFiles: {%s: x, /b%s: y}}}", deep, deep),
	})).Mistakes()
	if len(got) != 1 || !strings.Contains(got.Error(), "is below more than 64 directories") {
		t.Errorf("got %v, want one path that is too deep", got)
	}
}

func TestTheLineOfAnErrorInAMegabyteOfYAMLIsFoundWithoutParsingItTwentyTimes(t *testing.T) {
	_, repo, err := loadWorst(t, "an error at the end of many lines")
	if err != nil {
		t.Fatal(err)
	}
	got := repo.Mistakes()
	if len(got) != 1 || got[0].Line < 30000 || got[0].File != "hosts/a/containers.yaml" {
		t.Errorf("got %v, want an error near the end", got)
	}
}

func TestPasswordsInLongTextsAreNotQuoted(t *testing.T) {
	for _, text := range []string{
		"http://user:hunter2@host/" + strings.Repeat("x", 10_000), "http://user:hunter2" + strings.Repeat("x", 10_000) + "@host/",
	} {
		got := load(t, tree(map[string]string{"hosts/a/containers.yaml": "containers: {web: {image: x, capAdd: [\"" + text + "\"]}}"})).Mistakes().Error()
		if strings.Contains(got, "hunter2") || !strings.Contains(got, "http://***") {
			t.Errorf("got %s", got)
		}
	}
}

// ending ends a load when a file is opened, and counts those that are opened after that.
type ending struct {
	fs.FS
	at    string
	end   context.CancelCauseFunc
	after int
	ended bool
}

var errTerminated = errors.New("terminated")

func (e *ending) Open(name string) (fs.File, error) {
	if e.ended {
		e.after++
	}
	if name == e.at {
		e.ended = true
		e.end(errTerminated)
	}
	return e.FS.Open(name)
}

func TestALoadEndsInTheMiddleOfAHostWhenItIsToldTo(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	fsys := &ending{FS: tree(worst["groups that are merged one by one"]()), at: "groups/g1/containers.yaml", end: cancel}
	loader := layout.NewLoader()
	_, err := loader.Load(ctx, fsys, layout.Options{})
	if !errors.Is(err, errTerminated) || !strings.HasPrefix(err.Error(), "load the repo: ") {
		t.Errorf("got %v, want that it was terminated", err)
	}
	if steps, _, _ := loader.Spent(); fsys.after > 20 || steps > 1000 {
		t.Errorf("%d files were opened and %d steps taken after that, want next to nothing", fsys.after, steps)
	}
}
