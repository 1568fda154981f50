package sync

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/layout"
	"github.com/gitsync/gitsync/report"
	"github.com/gitsync/gitsync/state"
)

// Reporter tells the outside what became of commits. Tell must not wait, and cannot fail.
type Reporter interface {
	Tell(ctx context.Context, f report.Fleet)
}

// know remembers what a task came to on its host, for the fleet: what does not look at the
// host, or was told to stop, leaves what is known.
func (c *cycle) know(h *HostResult) {
	known := c.fleet[h.Name]
	known.Name = h.Name
	switch {
	case h.Quiet, !h.Waiting.IsZero():
		known.Drift = unrepaired(known.Drift)
	case h.Gone && h.changed && h.record == nil:
		delete(c.fleet, h.Name)
		return
	case errors.Is(h.Err, context.Canceled):
		known = c.atWork(known, h)
	default:
		before := unrepaired(known.Drift)
		known = c.hostOf(h)
		for _, d := range before {
			told := slices.ContainsFunc(known.Drift, func(now report.Drift) bool { return now.Container == d.Container && now.Field == d.Field })
			if !told && h.lasts(d.Container, d.Field, h.failures) {
				known.Drift = append(known.Drift, d)
			}
		}
	}
	c.fleet[h.Name] = known
}

// hostOf makes what is told of a host.
func (c *cycle) hostOf(h *HostResult) report.Host {
	host := report.Host{Name: h.Name, Phase: report.Deployed, Suspended: h.suspendedReasons()}
	record := h.Record
	if h.changed {
		record = h.record
	}
	if record != nil {
		host.Deployed, host.DeployedAt = record.SourceCommit, record.DeployedAt
	}
	if _, since := c.troubleOf(h); !since.IsZero() {
		host.Since = since
	}
	for _, err := range flatten(h.Err) {
		var failure *container.Failure
		switch {
		case errors.Is(err, container.ErrSuperseded), isOutOfDate(err):
			host.Phase = report.Working
			continue
		case errors.As(err, &failure):
			text := firstLine(failure.Err)
			if f := h.failures[failure.Container]; errors.Is(err, container.ErrHeld) && f.Error != "" {
				// Why it failed. When it is tried again is news with each try.
				text = f.Error
			}
			host.Problems = append(host.Problems, report.Problem{Container: failure.Container, Text: text})
			host.Phase = report.Failed
		default:
			host.Problems = append(host.Problems, report.Problem{Text: strings.TrimPrefix(firstLine(err), "host "+h.Name+": ")})
			if host.Phase = report.Failed; !h.Checked {
				host.Phase = report.Away
			}
		}
		if f, ok := h.failures[keyOf(failure)]; ok && !f.Since.IsZero() && (host.Since.IsZero() || f.Since.Before(host.Since)) {
			host.Since = f.Since
		}
	}
	if host.Phase == report.Deployed && h.waitsForTurn && h.pending() {
		host.Phase = report.Working
	}
	host.Drift = driftTold(h)
	return host
}

func keyOf(f *container.Failure) string {
	if f == nil {
		return ""
	}
	return f.Container
}

// driftTold is the drift of a host as it is told: with what was repaired just now.
func driftTold(h *HostResult) []report.Drift {
	var told []report.Drift
	for _, d := range h.drifted() {
		_, failed := h.failures[d.Container]
		for _, drift := range d.Drift {
			told = append(told, report.Drift{
				Container: d.Container, Field: drift.Field, Wanted: drift.Wanted, Found: drift.Found,
				Repaired: drift.Repair && !failed && !h.interrupted(),
				Fought:   !drift.Repair && strings.HasPrefix(d.Left, foughtPrefix),
			})
		}
	}
	return told
}

func unrepaired(drift []report.Drift) []report.Drift {
	return slices.DeleteFunc(slices.Clone(drift), func(d report.Drift) bool { return d.Repaired })
}

// suspendedReasons says of what is suspended why, in the person's own words where there
// are any.
func (h *HostResult) suspendedReasons() map[string]string {
	if len(h.Suspended) == 0 {
		return nil
	}
	reasons := map[string]string{}
	for key, s := range h.Suspended {
		if reasons[key] = s.Reason; s.Reason == "" {
			reasons[key] = SuspensionText(s)
		}
	}
	return reasons
}

// tell hands what is known of the fleet over, to whoever tells it.
func (c *cycle) tell(ctx context.Context) {
	if c.opts.Reporter == nil || c.planOnly || c.commit == nil && c.refused == nil {
		return
	}
	f := report.Fleet{When: c.opts.Now()}
	if c.commit != nil {
		f.Commit, f.Subject = string(c.commit.Hash), c.commit.Subject
	}
	// What heals by itself is no news of the commit.
	err := c.result.Err
	if err == nil && c.backlog != nil {
		err = c.backlog.Err
	}
	if err != nil && React(err) != Retry && ctx.Err() == nil {
		f.Err = firstLine(err)
	}
	if r := c.refused; r != nil {
		// It is what people wait for.
		f.Commit, f.Subject, f.Err = string(r.Commit.Hash), r.Commit.Subject, firstLine(r)
	}
	hosts := maps.Clone(c.fleet)
	maps.Copy(hosts, c.others())
	for name, h := range c.busyHosts() {
		if host, ok := hosts[name]; ok {
			hosts[name] = c.atWork(host, h)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(hosts)) {
		f.Hosts = append(f.Hosts, hosts[name])
	}
	c.opts.Reporter.Tell(ctx, f)
}

// atWork is what is told of a host that a task has not ended for, or was told to stop. A
// look is no work, and what failed stays failed until it is known to be well.
func (c *cycle) atWork(known report.Host, h *HostResult) report.Host {
	c.tasks.mu.Lock()
	defer c.tasks.mu.Unlock()
	if known.Phase == "" || h.deploys && (known.Phase == report.Deployed || known.Phase == report.Away) {
		known.Phase, known.Problems, known.Unseen = report.Working, nil, false
	}
	return known
}

// begins brings the fleet up to date with what was loaded: hosts that came and went, those
// that do not validate, and those that a new commit changes. Where there is work it says so
// at once, since that may take its time. Of a host that this process has not seen yet the
// record tells, so that a commit that was deployed long ago is no news.
func (c *cycle) begins(ctx context.Context) {
	if c.opts.Reporter == nil || c.planOnly || c.only != nil {
		return
	}
	there := map[string]bool{}
	for _, name := range c.result.Invalid {
		there[name] = true
		host := report.Host{Name: name, Phase: report.Invalid, Deployed: c.fleet[name].Deployed, DeployedAt: c.fleet[name].DeployedAt}
		for _, m := range c.result.mistakes[name] {
			host.Problems = append(host.Problems, report.Problem{Text: m.Error()})
		}
		c.fleet[name] = host
	}
	for _, h := range c.hosts {
		there[h.Name] = true
		known, ok := c.fleet[h.Name]
		if ok && !c.result.Moved {
			continue
		}
		if !ok || known.Phase == report.Invalid {
			known = h.recorded()
		} else if h.awaits() {
			known.Phase, known.Problems, known.Unseen = report.Working, nil, false
		}
		known.Name, known.Drift = h.Name, unrepaired(known.Drift)
		if h.Record != nil {
			known.Deployed, known.DeployedAt = h.Record.SourceCommit, h.Record.DeployedAt
			if !ok {
				known.Drift = recordedDrift(h.Record)
			}
		}
		c.fleet[h.Name] = known
	}
	maps.DeleteFunc(c.fleet, func(name string, _ report.Host) bool { return !there[name] })
	for _, host := range c.fleet {
		if c.result.Moved && host.Phase == report.Working {
			c.tell(ctx)
			return
		}
	}
}

// awaits says whether the commit has work for the host that was not begun yet.
func (h *HostResult) awaits() bool {
	if h.Gone && !h.clean.Allowed {
		return false // until it is known whether it may be cleaned
	}
	_, isSuspended := h.Suspended[""]
	return h.pending() && !isSuspended && (h.Record != nil || len(h.Host.Containers) > 0)
}

// recorded is what the record tells of the host, for a process that has not looked yet.
func (h *HostResult) recorded() report.Host {
	host := recordedHost(h.Name, h.Record, h.Host.Tree)
	switch {
	case h.Gone && host.Phase == report.Failed, host.Phase == report.Away:
		// It was tried, and is again.
	case h.awaits():
		host.Phase, host.Problems = report.Working, nil
	case host.Phase == report.Working:
		host.Phase = report.Deployed
	}
	host.Unseen = host.Phase != report.Working
	return host
}

// others are the hosts of the repo that other gitsyncs handle, by their records; none
// unless this one tells of all.
func (c *cycle) others() map[string]report.Host {
	if !c.opts.ReportAll || c.trees == nil {
		return nil
	}
	others := map[string]report.Host{}
	for _, name := range c.names {
		if layout.Selects(c.opts.Hosts, name) {
			continue
		}
		others[name] = recordedHost(name, c.records[name], c.trees[name])
	}
	return others
}

// recordedHost is what a record tells of a host.
func recordedHost(name string, record *state.Record, tree string) report.Host {
	host := report.Host{Name: name, Phase: report.Working}
	if record == nil {
		return host
	}
	host.Deployed, host.DeployedAt = record.SourceCommit, record.DeployedAt
	if record.Tree == tree {
		host.Phase = report.Deployed
	}
	for _, key := range sortedFailures(record) {
		f := record.Failures[key]
		host.Problems = append(host.Problems, report.Problem{Container: key, Text: strings.TrimPrefix(f.Error, "host "+name+": ")})
		switch {
		case key == "" && !f.Since.IsZero():
			host.Phase = report.Away
		case host.Phase != report.Away:
			host.Phase = report.Failed
		}
	}
	host.Drift = recordedDrift(record)
	return host
}

// recordedDrift is what differed by the last check that is recorded.
func recordedDrift(record *state.Record) []report.Drift {
	var drift []report.Drift
	for _, d := range record.Drift {
		drift = append(drift, report.Drift{Container: d.Container, Field: d.Field, Wanted: d.Wanted, Found: d.Found})
	}
	return drift
}
