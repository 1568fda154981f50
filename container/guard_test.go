package container_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/container"
)

// guarded are removals, and what they are counted against.
var guarded = map[string]struct {
	before, there, recorded, desired []string
	moves                            map[string]string
	limit                            float64
	text                             string
	kept                             []string
}{
	"the first time it is what is there": {
		there: []string{"a", "b", "c"}, recorded: []string{"a", "b", "c"}, desired: []string{"n", "o", "p"}, limit: 0.5,
		text: "removes 3 of the 3", kept: []string{"a", "b", "c"},
	},
	"what the commit added does not count": {
		before: []string{"a", "b", "c"}, there: []string{"a", "b", "c", "n", "o", "p"}, recorded: []string{"a", "b", "c", "n", "o", "p"}, desired: []string{"n", "o", "p"}, limit: 0.5,
		text: "removes 3 of the 3", kept: []string{"a", "b", "c"},
	},
	"nor does what was created and never recorded": {
		there: []string{"a", "b", "c", "n", "o", "p"}, recorded: []string{"a", "b", "c"}, desired: []string{"n", "o", "p"}, limit: 0.5,
		text: "removes 3 of the 3", kept: []string{"a", "b", "c"},
	},
	"without a record it is what bears our labels": {
		there: []string{"a", "b", "c"}, desired: []string{"c"}, limit: 0.5,
		text: "removes 2 of the 3", kept: []string{"a", "b", "c"},
	},
	"what was removed by hand is a part of it": {
		before: []string{"a", "b", "c", "d"}, there: []string{"c", "d"}, recorded: []string{"c", "d"}, desired: []string{"d"}, limit: 0.5,
		text: "removes 3 of the 4", kept: []string{"a", "b", "c", "d"},
	},
	"what moves is no loss": {
		before: []string{"a", "b", "c", "d"}, there: []string{"a", "b", "c", "d"}, recorded: []string{"a", "b", "c", "d"}, desired: []string{"d"}, limit: 0.7,
		moves: map[string]string{"a": "it moves"}, text: "", kept: nil,
	},
	"what moves is not counted later": {
		before: []string{"a", "b", "c", "d"}, there: []string{"a", "b", "c", "d"}, recorded: []string{"a", "b", "c", "d"}, desired: []string{"d"}, limit: 0.5,
		moves: map[string]string{"a": "it moves"}, text: "removes 2 of the 3", kept: []string{"b", "c", "d"},
	},
	"what is wanted again ends it": {
		before: []string{"a", "b", "c"}, there: []string{"a", "b", "c", "n"}, recorded: []string{"a", "b", "c", "n"}, desired: []string{"a", "b", "c"}, limit: 0.5,
	},
	"without a limit all may go": {
		before: []string{"a", "b", "c"}, there: []string{"a", "b", "c"}, recorded: []string{"a", "b", "c"},
	},
}

// What removals are counted against is a value: the same one gives the same plan, whatever
// has come beside it meanwhile.
func TestRemovalsAreCountedAgainstWhatWasDeployedBefore(t *testing.T) {
	t.Parallel()
	named := func(names ...string) container.ContainersState {
		state := container.ContainersState{}
		for _, name := range names {
			state[name] = deployed(spec(name))
		}
		return state
	}
	for name, tt := range guarded {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			current := container.Current{Containers: map[string]container.Instances{}}
			for _, key := range tt.there {
				current.Containers[key] = container.Instances{Main: row(spec(key))}
			}
			plan := container.MakePlan("web1", named(tt.desired...), named(tt.recorded...), current,
				container.PlanOptions{PruneLimit: tt.limit, HeldBack: tt.before, Moves: tt.moves})
			blocked := 0
			for _, c := range plan.Changes {
				if c.Kind == container.Blocked {
					blocked++
					if !strings.Contains(c.Why(), tt.text) {
						t.Errorf("%s: %q, want %q", c.Container, c.Why(), tt.text)
					}
				}
			}
			if held := blocked > 0; held != (tt.text != "") {
				t.Errorf("%d removals are held back", blocked)
			}
			if !slices.Equal(plan.HeldBack, tt.kept) {
				t.Errorf("the next plan counts against %v, want %v", plan.HeldBack, tt.kept)
			}
		})
	}
}
