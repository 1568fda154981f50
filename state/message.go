package state

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gitsync/gitsync/gitrepo"
)

// Results of a deployment.
const (
	Success = "success"
	Failure = "failure"
)

// The trailers of a commit on the state branch.
const (
	trailerSource = "Gitsync-Source"
	trailerResult = "Gitsync-Result"
	trailerHost   = "Gitsync-Host"
)

// Entry is one commit of the state branch: a deployment.
type Entry struct {
	// Commit is the commit on the state branch.
	Commit string `json:"commit"`
	// When it was recorded.
	When time.Time `json:"when"`
	// Source is the commit that was deployed.
	Source string `json:"source"`
	// Result is Success or Failure.
	Result string `json:"result"`
	// Hosts are the hosts whose records changed.
	Hosts []string `json:"hosts"`
	// Subject is the sentence that git log --oneline shows.
	Subject string `json:"subject"`
	// Details has a line for each container that changed, with the causes.
	Details []string `json:"details,omitempty"`
}

// message renders an entry as a commit message.
func (e Entry) message() string {
	var b strings.Builder
	b.WriteString(oneLine(e.Subject) + "\n\n")
	for _, line := range e.Details {
		b.WriteString("- " + oneLine(line) + "\n")
	}
	if len(e.Details) > 0 {
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "%s: %s\n%s: %s\n", trailerSource, e.Source, trailerResult, e.Result)
	hosts := slices.Sorted(slices.Values(e.Hosts))
	for _, host := range hosts {
		fmt.Fprintf(&b, "%s: %s\n", trailerHost, host)
	}
	return b.String()
}

// parseEntry reads a commit of the state branch. Commits that gitsync did not
// write become entries without source.
func parseEntry(c gitrepo.Commit) Entry {
	e := Entry{Commit: string(c.Hash), When: c.When, Subject: c.Subject, Hosts: []string{}}
	for line := range strings.Lines(c.Message) {
		line = strings.TrimSpace(line)
		if detail, ok := strings.CutPrefix(line, "- "); ok {
			e.Details = append(e.Details, detail)
			continue
		}
		key, value, _ := strings.Cut(line, ": ")
		switch key {
		case trailerSource:
			e.Source = value
		case trailerResult:
			e.Result = value
		case trailerHost:
			e.Hosts = append(e.Hosts, value)
		}
	}
	return e
}

// oneLine keeps a text from becoming a trailer or a line of its own.
func oneLine(s string) string {
	return strings.Join(strings.Fields(s), " ")
}
