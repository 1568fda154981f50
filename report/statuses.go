package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gitsync/gitsync/report/forge"
)

// StatusOptions say how commit statuses are named.
type StatusOptions struct {
	// Prefix begins each context; empty means "gitsync".
	Prefix string
	// Instance ends each context where several gitsyncs watch one repo: one context has
	// one writer, or the last one would hide the other's failure. Empty for none.
	Instance string
	// PerHost adds a deploy and a drift context for each host.
	PerHost bool
	// TargetURL is where to read more; empty for none.
	TargetURL string
}

// Statuses are what a fleet's commits are to be told: PREFIX/deploy at the commit that is
// to be deployed, and PREFIX/drift at the one that is.
//
// Deploy is the first of these that holds:
//
//   - failure: a host failed or does not validate, even while others are at work;
//   - error: the cycle failed, so that nothing more is known;
//   - pending: a host is at work or waits for its turn;
//   - error: a host cannot be reached, so that it is not known whether it is deployed;
//   - success.
//
// Drift is a warning when something differs and stays so, else an error when a host
// cannot be looked at, else success, which names what was repaired. While a host is at
// work it is not said that nothing differs: what was said before stands. Hosts that
// nothing was deployed to do not count. No success is said of a host that is unseen.
func Statuses(f Fleet, o StatusOptions) []forge.Status {
	var statuses []forge.Status
	add := func(commit, context, host string, state forge.State, text string) {
		if commit == "" {
			return
		}
		statuses = append(statuses, forge.Status{
			Commit: commit, Context: o.context(context, host),
			State: state, Description: fit(text, room), TargetURL: o.TargetURL,
		})
	}
	addDeploy := func(f Fleet, host string) {
		if state, text := deployed(f); state != forge.Success || f.isSeen() {
			add(f.Commit, "deploy", host, state, text)
		}
	}
	addDrift := func(f Fleet, host string) {
		on := drifting(f)
		if state, text := on.status(); state != forge.Success || len(f.in(Working)) == 0 && f.isSeen() {
			add(on.commit, "drift", host, state, text)
		}
	}
	addDeploy(f, "")
	addDrift(f, "")
	if !o.PerHost {
		return statuses
	}
	for _, h := range f.Hosts {
		alone := Fleet{Commit: f.Commit, When: f.When, Hosts: []Host{h}}
		addDeploy(alone, h.Name)
		addDrift(alone, h.Name)
	}
	return statuses
}

// context is PREFIX/deploy, PREFIX/deploy/HOST, and each with /INSTANCE.
func (o StatusOptions) context(about, host string) string {
	parts := []string{or(o.Prefix, "gitsync"), about}
	for _, more := range []string{host, o.Instance} {
		if more != "" {
			parts = append(parts, more)
		}
	}
	return clean(strings.Join(parts, "/"))
}

// deployed says whether a fleet is as its commit says.
func deployed(f Fleet) (forge.State, string) {
	failed := f.in(Failed, Invalid)
	working, away := f.in(Working), f.in(Away)
	switch {
	case len(failed) > 0:
		text := ofHosts(f.Hosts, len(failed)) + " failed: " + strings.Join(problems(failed, len(f.Hosts) == 1), "; ")
		if f.Err != "" {
			text += "; " + f.Err
		}
		return forge.Failure, text
	case f.Err != "":
		return forge.Error, f.Err
	case len(working) > 0:
		if len(f.Hosts) == 1 {
			return forge.Pending, working[0].Name + " at work"
		}
		text := fmt.Sprintf("%s deployed; at work: %s", ofHosts(f.Hosts, len(f.in(Deployed))), names(working))
		if len(away) > 0 {
			text += "; cannot be reached: " + names(away)
		}
		return forge.Pending, text
	case len(away) > 0:
		return forge.Error, ofHosts(f.Hosts, len(away)) + " cannot be reached: " + strings.Join(problems(away, len(f.Hosts) == 1), "; ")
	}
	text := count(len(f.Hosts), "host") + " deployed"
	if len(f.Hosts) == 1 {
		text = f.Hosts[0].Name + " deployed"
	}
	for _, s := range f.suspended() {
		text += "; " + s
	}
	return forge.Success, text
}

// isSeen says whether all hosts were looked at.
func (f Fleet) isSeen() bool {
	return !slices.ContainsFunc(f.Hosts, func(h Host) bool { return h.Unseen })
}

// in are the hosts that are in one of some phases.
func (f Fleet) in(phases ...Phase) []Host {
	var hosts []Host
	for _, h := range f.Hosts {
		if slices.Contains(phases, h.Phase) {
			hosts = append(hosts, h)
		}
	}
	return hosts
}

// suspended says what is left alone, and why.
func (f Fleet) suspended() []string {
	var texts []string
	for _, h := range f.Hosts {
		for _, key := range slices.Sorted(maps.Keys(h.Suspended)) {
			text := place(h.Name, key) + " suspended"
			if reason := h.Suspended[key]; reason != "" {
				text += ": " + reason
			}
			texts = append(texts, text)
		}
	}
	return texts
}

func names(hosts []Host) string {
	var list []string
	for _, h := range hosts {
		list = append(list, h.Name)
	}
	return strings.Join(list, ", ")
}

// problems says what is wrong with hosts: mistakes first, since a commit can mend them,
// then one problem of each host before the second of any. Where it is bare, the host is
// named already.
func problems(hosts []Host, bare bool) []string {
	hosts = slices.Clone(hosts)
	slices.SortStableFunc(hosts, func(a, b Host) int { return rank(a) - rank(b) })
	var texts []string
	for round, more := 0, true; more; round++ {
		more = false
		for _, h := range hosts {
			if round < len(h.Problems) {
				texts = append(texts, problem(h, h.Problems[round], bare))
			} else if round == 0 {
				texts = append(texts, problem(h, Problem{Text: "no reason given"}, bare))
			}
			more = more || round+1 < len(h.Problems)
		}
	}
	return texts
}

func rank(h Host) int {
	if h.Phase == Invalid {
		return 0
	}
	return 1
}

// problem says "web3 db: never healthy". A mistake begins with its file, which names the
// host already.
func problem(h Host, p Problem, bare bool) string {
	switch mistake := h.Phase == Invalid && strings.HasPrefix(p.Text, "hosts/"+h.Name+"/"); {
	case p.Container == "" && (bare || mistake):
		return p.Text
	case p.Container == "":
		return h.Name + ": " + p.Text
	case bare:
		return p.Container + ": " + p.Text
	}
	return h.Name + " " + p.Container + ": " + p.Text
}
