package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Level says how much a message matters.
type Level string

// The levels.
const (
	// Info: it is well again.
	Info Level = "info"
	// Warning: it works, and is not as the commit says.
	Warning Level = "warning"
	// Error: something failed.
	Error Level = "error"
)

// Message is what people are told.
type Message struct {
	// Title is one line.
	Title string `json:"title"`
	// Body has a line for each thing that happened, and says at which commit.
	Body  string `json:"body"`
	Level Level  `json:"level"`
}

// Most lines of a body, and characters of a line.
const (
	bodyLines  = 20
	lineLength = 300
)

// Messages are what people are told when one fleet became another: at most one message
// of a kind, whatever the number of hosts and containers. The kinds are failures,
// recoveries, repairs that somebody undoes, drift found, drift repaired, and drift that
// went away. Nothing is told when nothing changed. What could not be looked at neither
// failed again nor recovered.
func Messages(before, after Fleet) []Message {
	return messages("gitsync", memory{}.next(before), after)
}

// messages are told under a name.
func messages(name string, before memory, f Fleet) []Message {
	after := before.next(f)
	n := notes{f: f, before: before, after: after}
	for _, h := range f.Hosts {
		n.problems(h)
		if h.looked() {
			n.drift(h)
		}
	}
	n.cycle()
	var list []Message
	add := func(about lines, level Level, title string) {
		if len(about.texts) == 0 {
			return
		}
		list = append(list, Message{
			Title: fit(name+": "+fmt.Sprintf(title, about.who(f)), room), Level: level, Body: about.body(f),
		})
	}
	add(n.failed, Error, "%s failed")
	add(n.recovered, Info, "%s recovered")
	add(n.fought, Warning, "somebody undoes repairs on %s")
	add(n.found, Warning, "drift on %s")
	add(n.repaired, Info, "drift repaired on %s")
	add(n.over, Info, "drift gone on %s")
	return list
}

// notes are the lines of each kind of message.
type notes struct {
	f             Fleet
	before, after memory

	failed, recovered, fought, found, repaired, over lines
}

// lines are those of one message.
type lines struct {
	hosts []string
	texts []string
}

func (l *lines) add(host, text string) {
	l.hosts = append(l.hosts, host)
	l.texts = append(l.texts, fit(text, lineLength))
}

// problems notes what is new in a host's problems, and what is gone.
func (n *notes) problems(h Host) {
	before, after := n.before.Hosts[h.Name].Open, n.after.Hosts[h.Name].Open
	for _, key := range slices.Sorted(maps.Keys(after)) {
		now := after[key]
		if known, there := before[key]; !there || news(known, now) {
			n.failed.add(h.Name, problem(Host{Name: h.Name, Phase: now.Phase}, Problem{now.Container, now.Text}, false))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(before)) {
		if _, there := after[key]; !there {
			n.recovered.add(h.Name, before[key].end(h.Name)+lasted(before[key].Since, n.f.When))
		}
	}
}

// end says that a problem is over.
func (p openProblem) end(host string) string {
	switch p.Phase {
	case Away:
		return host + " can be reached again"
	case Invalid:
		return host + " validates again"
	}
	return place(host, p.Container) + " is deployed again"
}

// lasted says ", after 12m0s", when both times are known.
func lasted(since, until time.Time) string {
	if since.IsZero() || !until.After(since) {
		return ""
	}
	return fmt.Sprintf(", after %s", until.Sub(since).Round(time.Second))
}

// drift notes what differs now and did not before, and the reverse.
func (n *notes) drift(h Host) {
	before, after := n.before.Hosts[h.Name].Drift, n.after.Hosts[h.Name].Drift
	_, all := h.Suspended[""]
	for _, d := range h.Drift {
		key := driftKey(d)
		if before[key] == after[key] {
			continue
		}
		_, suspended := h.Suspended[d.Container]
		diff := difference{host: h.Name, Drift: d, suspended: suspended || all}
		switch after[key] {
		case driftFought:
			n.fought.add(h.Name, diff.String())
		case driftRepaired:
			n.repaired.add(h.Name, diff.past())
		default:
			n.found.add(h.Name, diff.String())
		}
	}
	for _, key := range slices.Sorted(maps.Keys(before)) {
		if _, there := after[key]; !there && before[key] != driftRepaired {
			container, field, _ := strings.Cut(key, "\n")
			n.over.add(h.Name, fmt.Sprintf("%s %s is as deployed again", place(h.Name, container), field))
		}
	}
}

// cycle notes that the cycle as a whole fails, or works again.
func (n *notes) cycle() {
	switch {
	case n.f.Err != "" && n.before.Err == "":
		n.failed.add("", n.f.Err)
	case n.f.Err == "" && n.before.Err != "":
		n.recovered.add("", "the cycle works again"+lasted(n.before.ErrAt, n.f.When))
	}
}

// who names the hosts, or counts them when they are many.
func (l lines) who(f Fleet) string {
	hosts := slices.Compact(slices.Clone(l.hosts))
	if len(hosts) > 3 {
		return fmt.Sprintf("%d of %s", len(hosts), count(len(f.Hosts), "host"))
	}
	for i, host := range hosts {
		if host == "" {
			hosts[i] = "the cycle"
		}
	}
	return strings.Join(hosts, ", ")
}

// body ends with the commit.
func (l lines) body(f Fleet) string {
	texts := l.texts
	if len(texts) > bodyLines {
		more := len(texts) - bodyLines + 1
		texts = append(slices.Clone(texts[:bodyLines-1]), fmt.Sprintf("… and %d more", more))
	}
	if f.Commit != "" {
		texts = append(slices.Clone(texts), fit("commit "+short(f.Commit)+" "+f.Subject, lineLength))
	}
	return strings.Join(texts, "\n")
}
