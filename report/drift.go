package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gitsync/gitsync/report/forge"
)

// drifts is what is there of a commit that was deployed.
type drifts struct {
	commit string
	// hosts are those that something was deployed to.
	hosts []Host
	// away could not be looked at.
	away []Host
	// left, fought and repaired are all differences, in the order of hosts.
	left, fought, repaired []difference
}

// difference is a drift with where it is.
type difference struct {
	host string
	Drift
	suspended bool
}

// drifting sorts what differs. The commit that it is about is the one that is deployed:
// the fleet's when all hosts have it, or else the newest that any host has.
func drifting(f Fleet) drifts {
	var d drifts
	everywhere := true
	for _, h := range f.Hosts {
		everywhere = everywhere && h.Phase == Deployed
		if h.Deployed != "" {
			d.hosts = append(d.hosts, h)
		}
	}
	if len(d.hosts) == 0 {
		return d
	}
	newest := slices.MaxFunc(d.hosts, func(a, b Host) int { return a.DeployedAt.Compare(b.DeployedAt) })
	d.commit = newest.Deployed
	if f.Commit != "" && everywhere || slices.ContainsFunc(d.hosts, func(h Host) bool { return h.Deployed == f.Commit }) {
		d.commit = f.Commit
	}
	for _, h := range d.hosts {
		if h.Phase == Away {
			d.away = append(d.away, h)
		}
		_, all := h.Suspended[""]
		for _, drift := range h.Drift {
			_, suspended := h.Suspended[drift.Container]
			diff := difference{host: h.Name, Drift: drift, suspended: suspended || all}
			switch {
			case drift.Fought:
				d.fought = append(d.fought, diff)
			case drift.Repaired:
				d.repaired = append(d.repaired, diff)
			default:
				d.left = append(d.left, diff)
			}
		}
	}
	return d
}

// status says it as a commit status: a warning when something differs and stays so, an
// error when a host cannot be looked at, and else success, with what was repaired.
func (d drifts) status() (forge.State, string) {
	var texts []string
	if len(d.fought) > 0 {
		texts = append(texts, "somebody undoes the repairs of "+strings.Join(places(d.fought), ", "))
	}
	if len(d.left) > 0 {
		text := fmt.Sprintf("%s on %s: ", count(len(d.left), "difference"), count(len(hostsOf(d.left)), "host"))
		texts = append(texts, text+strings.Join(said(d.left), "; "))
	}
	state := forge.Warning
	if len(texts) == 0 && len(d.away) > 0 {
		state = forge.Error
		texts = append(texts, ofHosts(d.hosts, len(d.away))+" cannot be checked: "+strings.Join(problems(d.away, len(d.hosts) == 1), "; "))
	} else if len(d.away) > 0 {
		texts = append(texts, "cannot be checked: "+names(d.away))
	}
	if len(texts) == 0 {
		state = forge.Success
	}
	if len(d.repaired) > 0 {
		var gone []string
		for _, diff := range d.repaired {
			gone = append(gone, diff.past())
		}
		texts = append(texts, fmt.Sprintf("%d repaired: %s", len(gone), strings.Join(gone, "; ")))
	}
	if len(texts) == 0 {
		texts = append(texts, "no drift on "+count(len(d.hosts), "host"))
	}
	return state, strings.Join(texts, "; ")
}

// String says "web1/db memory 512MiB, found 1GiB".
func (d difference) String() string {
	suspended := ""
	if d.suspended {
		suspended = " (suspended)"
	}
	return fmt.Sprintf("%s%s %s %s, found %s",
		place(d.host, d.Container), suspended, d.Field, or(d.Wanted, "none"), or(d.Found, "none"))
}

// past says "web1/db was gone", or "web1/db memory was 1GiB".
func (d difference) past() string {
	field := d.Field + " "
	if d.Field == "status" {
		field = ""
	}
	return fmt.Sprintf("%s %swas %s", place(d.host, d.Container), field, or(d.Found, "none"))
}

func said(diffs []difference) []string {
	var texts []string
	for _, d := range diffs {
		texts = append(texts, d.String())
	}
	return texts
}

// places names each container once.
func places(diffs []difference) []string {
	var list []string
	for _, d := range diffs {
		list = append(list, place(d.host, d.Container))
	}
	return slices.Compact(list)
}

func hostsOf(diffs []difference) []string {
	var list []string
	for _, d := range diffs {
		list = append(list, d.host)
	}
	return slices.Compact(list)
}
