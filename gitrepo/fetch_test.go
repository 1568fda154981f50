package gitrepo

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/storage/memory"

	"github.com/gitsync/gitsync/gitrepo/protocol"
)

// A server may say with each answer that the history ends at other commits.
func TestAHistoryEndsAtABoundedNumberOfCommitsInAllAnswers(t *testing.T) {
	t.Parallel()
	into := memory.NewStorage()
	var err error
	for answer := 0; answer < 10 && err == nil; answer++ {
		ends := make([]string, 9_000)
		for i := range ends {
			ends[i] = fmt.Sprintf("%040x", answer*len(ends)+i+1)
		}
		err = addShallow(into, ends)
	}
	if !errors.Is(err, ErrTooLarge) || Faulty(err) {
		t.Errorf("got %v, the commit's fault: %t", err, Faulty(err))
	}
	if known, err := into.Shallow(); err != nil || len(known) > maxEnds {
		t.Errorf("%d commits are kept, %v", len(known), err)
	}
	if err := addShallow(memory.NewStorage(), []string{fmt.Sprintf("%040x", 1)}); err != nil {
		t.Errorf("a store that begins again: %v", err)
	}
}

// An object that did not come once, as from a server that is behind the others, turns a filter
// off for a time alone; a server that says that it knows no filter is believed.
func TestAFilterIsTriedAgainUnlessTheServerKnowsNone(t *testing.T) {
	t.Parallel()
	server, _, err := protocol.NewReader(strings.NewReader("000eversion 2\n000cls-refs\n0011fetch=filter\n0000")).Greeting(func(string) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		until time.Time
		want  string
	}{
		"for ever":         {time.Time{}, ""},
		"for some time":    {time.Now().Add(time.Hour), ""},
		"until that is up": {time.Now().Add(-time.Second), withoutFiles},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := &upload{remote: &Remote{}, server: server}
			u.remote.refuse(withoutFiles, c.until)
			if got := u.filter(withoutFiles); got != c.want {
				t.Errorf("got %q", got)
			}
		})
	}
}
