package protocol_test

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/gitrepo/protocol"
)

var (
	one   = strings.Repeat("1", 40)
	two   = strings.Repeat("2", 40)
	three = strings.Repeat("3", 40)
	zero  = strings.Repeat("0", 40)
)

// lines are packets; "0000" and "0001" stand for themselves.
func lines(texts ...string) string {
	var out strings.Builder
	for _, text := range texts {
		if text == "0000" || text == "0001" {
			out.WriteString(text)
			continue
		}
		fmt.Fprintf(&out, "%04x%s", len(text)+4, text)
	}
	return out.String()
}

func isBranch(name string) bool { return strings.HasPrefix(name, "refs/heads/") }

func TestEveryGreetingIsUnderstood(t *testing.T) {
	main := protocol.Ref{Name: "refs/heads/main", Hash: one}
	for name, c := range map[string]struct {
		said    string
		version int
		refs    []protocol.Ref
	}{
		"version 0 over a stream":             {lines(one+" HEAD\x00shallow symref=HEAD:refs/heads/main\n", one+" refs/heads/main\n", two+" refs/pull/1/head\n", "0000"), 0, []protocol.Ref{main}},
		"version 0 over HTTP":                 {lines("# service=git-upload-pack\n", "0000", one+" refs/heads/main\x00shallow\n", "0000"), 0, []protocol.Ref{main}},
		"version 1":                           {lines("version 1\n", one+" refs/heads/main\x00shallow\n", "0000"), 1, []protocol.Ref{main}},
		"a shallow repo":                      {lines(one+" refs/heads/main\x00shallow\n", "shallow "+two, "0000"), 0, []protocol.Ref{main}},
		"an empty repo":                       {lines("0000"), 0, nil},
		"an empty repo over HTTP":             {lines("# service=git-upload-pack\n", "0000", "0000"), 0, nil},
		"an empty repo that says what it can": {lines(zero+" capabilities^{}\x00shallow\n", "0000"), 0, nil},
		"version 2 over HTTP":                 {lines("# service=git-upload-pack\n", "0000", "version 2\n", "agent=git/2\n", "ls-refs=unborn\n", "fetch=shallow filter\n", "object-format=sha1\n", "0000"), 2, nil},
		"version 2 over a stream":             {lines("version 2\n", "ls-refs\n", "fetch\n", "0000"), 2, nil},
	} {
		t.Run(name, func(t *testing.T) {
			server, refs, err := protocol.NewReader(strings.NewReader(c.said)).Greeting(isBranch)
			if err != nil || server.Version != c.version || !reflect.DeepEqual(refs, c.refs) {
				t.Errorf("got version %d, %v, %v", server.Version, refs, err)
			}
		})
	}
}

func TestWhatIsNoGreetingIsAnErrorThatSaysWhich(t *testing.T) {
	var many strings.Builder
	for i := range 200_000 {
		many.WriteString(lines(fmt.Sprintf("%s refs/heads/%d\n", one, i)))
	}
	var capabilities strings.Builder
	for i := range 10_000 {
		capabilities.WriteString(lines(fmt.Sprintf("x%d=y\n", i)))
	}
	for name, c := range map[string]struct {
		said string
		want error
	}{
		"nothing":                       {"", protocol.ErrSilent},
		"a page":                        {"<html>hello</html>", protocol.ErrNotGit},
		"the length of no packet":       {"0003", protocol.ErrNotGit},
		"a cut packet":                  {"00ff" + one, io.ErrUnexpectedEOF},
		"a list that does not end":      {lines(one + " refs/heads/main\x00shallow\n"), io.ErrUnexpectedEOF},
		"rubbish among the references":  {lines(one+" refs/heads/main\x00shallow\n", "hello", "0000"), protocol.ErrNotGit},
		"SHA-256":                       {lines(strings.Repeat("1", 64)+" refs/heads/main\x00shallow object-format=sha256\n", "0000"), protocol.ErrSHA256},
		"SHA-256 in version 2":          {lines("version 2\n", "ls-refs\n", "fetch\n", "object-format=sha256\n", "0000"), protocol.ErrSHA256},
		"version 2 that cannot fetch":   {lines("version 2\n", "ls-refs\n", "0000"), protocol.ErrNotGit},
		"more branches than are kept":   {lines(one+" HEAD\x00shallow\n") + many.String() + "0000", protocol.ErrTooMany},
		"a packet with a negative size": {"-001", protocol.ErrNotGit},
		"capabilities without end":      {lines("version 2\n", "ls-refs\n", "fetch\n") + capabilities.String(), protocol.ErrTooLong},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := protocol.NewReader(strings.NewReader(c.said)).Greeting(isBranch)
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
	var refusal *protocol.Refusal
	_, _, err := protocol.NewReader(strings.NewReader(lines("ERR access denied\n"))).Greeting(isBranch)
	if !errors.As(err, &refusal) || refusal.Text != "access denied" {
		t.Errorf("got %v, want the server's words", err)
	}
}

func TestListedReferencesAreFilteredHereToo(t *testing.T) {
	said := lines(one+" refs/heads/main\n", two+" refs/tags/v1 peeled:"+three+"\n", two+" refs/pull/1/head\n", "unborn HEAD symref-target:refs/heads/x\n", "0000")
	refs, err := protocol.NewReader(strings.NewReader(said)).Refs(func(name string) bool { return !strings.HasPrefix(name, "refs/pull/") })
	want := []protocol.Ref{{Name: "refs/heads/main", Hash: one}, {Name: "refs/tags/v1", Hash: two, Peeled: three}}
	if err != nil || !reflect.DeepEqual(refs, want) {
		t.Errorf("got %v, %v, want %v", refs, err, want)
	}
}

// Azure DevOps and CodeCommit refuse whoever does not ask for multi_ack.
func TestMultiAckIsAskedForWhereItIsOffered(t *testing.T) {
	for offered, want := range map[string]string{
		"multi_ack side-band-64k":                      "want " + one + " multi_ack side-band-64k",
		"multi_ack_detailed multi_ack":                 "want " + one + " multi_ack_detailed\n",
		"side-band ofs-delta":                          "want " + one + " side-band ofs-delta\n",
		"shallow filter thin-pack include-tag no-done": "want " + one + " shallow filter\n",
	} {
		server, _, err := protocol.NewReader(strings.NewReader(lines(one+" refs/heads/main\x00"+offered+"\n", "0000"))).Greeting(isBranch)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(server.Fetch(protocol.Request{Wants: []string{one}, Depth: 1, Filter: "blob:none"})); !strings.Contains(got, want) {
			t.Errorf("offered %s: asked %q, want %q", offered, got, want)
		}
	}
}

func TestThePackIsFoundInEveryAnswer(t *testing.T) {
	const v2 = "\x00"
	for name, c := range map[string]struct {
		offered, said string
		depth         int
		shallow       []string
	}{
		"without bands":                {"shallow", lines("shallow "+one, "0000", "NAK\n") + "PACKdata", 1, []string{one}},
		"with bands":                   {"side-band-64k", lines("NAK\n", "\x02counting", "\x01PACK", "\x01data", "0000"), 0, nil},
		"an acknowledged commit":       {"side-band-64k", lines("ACK "+two+"\n", "\x01PACKdata", "0000"), 0, nil},
		"multi_ack":                    {"multi_ack side-band-64k", lines("ACK "+two+" continue\n", "ACK "+two+"\n", "\x01PACKdata", "0000"), 0, nil},
		"multi_ack_detailed":           {"multi_ack_detailed side-band-64k", lines("ACK "+two+" common\n", "ACK "+two+" ready\n", "NAK\n", "ACK "+two+"\n", "\x01PACKdata", "0000"), 0, nil},
		"multi_ack without bands":      {"multi_ack", lines("ACK "+two+" continue\n", "ACK "+two+"\n") + "PACKdata", 0, nil},
		"version 2":                    {v2, lines("packfile\n", "\x01PACK", "\x02", "\x01data", "0000"), 0, nil},
		"version 2 of a cut history":   {v2, lines("shallow-info\n", "shallow "+one, "0001", "packfile\n", "\x01PACKdata", "0000"), 1, []string{one}},
		"version 2 with unknown parts": {v2, lines("acknowledgments\n", "ACK "+two, "ready", "0001", "wanted-refs\n", "x", "0001", "packfile\n", "\x01PACKdata", "0000"), 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			greeting := lines(one+" refs/heads/main\x00"+c.offered+"\n", "0000")
			if c.offered == v2 {
				greeting = lines("version 2\n", "ls-refs\n", "fetch=shallow\n", "0000")
			}
			reader := protocol.NewReader(strings.NewReader(greeting + c.said))
			server, _, err := reader.Greeting(isBranch)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := reader.Answer(server, protocol.Request{Wants: []string{one}, Depth: c.depth})
			if err != nil || !reflect.DeepEqual(answer.Shallow, c.shallow) {
				t.Fatalf("got %+v, %v", answer, err)
			}
			if pack, err := io.ReadAll(answer.Pack); err != nil || string(pack) != "PACKdata" {
				t.Errorf("the pack is %q, %v", pack, err)
			}
		})
	}
}

// Whatever comes, it ends with an error or a value.
func FuzzReader(f *testing.F) {
	f.Add(lines(one+" refs/heads/main\x00side-band-64k shallow\n", "0000", "shallow "+one, "0000", "NAK\n", "\x01PACK", "0000"))
	f.Add(lines("version 2\n", "ls-refs\n", "fetch=shallow\n", "0000", "shallow-info\n", "shallow "+one, "0001", "packfile\n", "\x01PACK", "0000"))
	f.Fuzz(func(t *testing.T, said string) {
		reader := protocol.NewReader(strings.NewReader(said))
		server, _, err := reader.Greeting(isBranch)
		if err != nil {
			return
		}
		if answer, err := reader.Answer(server, protocol.Request{Wants: []string{one}, Depth: 1}); err == nil {
			_, _ = io.Copy(io.Discard, answer.Pack)
		}
		_, _ = reader.Refs(isBranch)
	})
}

func TestAHistoryThatEndsAtTooManyCommitsIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ greeting, said string }{
		"version 0":              {lines(one+" refs/heads/main\x00shallow\n", "0000"), strings.Repeat(lines("shallow "+one), 10_001)},
		"version 0, not shallow": {lines(one+" refs/heads/main\x00shallow\n", "0000"), strings.Repeat(lines("unshallow "+one), 10_001)},
		"version 2":              {lines("version 2\n", "ls-refs\n", "fetch=shallow\n", "0000"), lines("shallow-info\n") + strings.Repeat(lines("shallow "+one), 10_001)},
		"version 2, many parts":  {lines("version 2\n", "ls-refs\n", "fetch=shallow\n", "0000"), strings.Repeat(lines("shallow-info\n", "shallow "+one, "0001"), 10_001)},
	} {
		t.Run(name, func(t *testing.T) {
			reader := protocol.NewReader(strings.NewReader(c.greeting + c.said))
			server, _, err := reader.Greeting(isBranch)
			if err != nil {
				t.Fatal(err)
			}
			if _, err = reader.Answer(server, protocol.Request{Wants: []string{one}, Depth: 1}); !errors.Is(err, protocol.ErrTooLong) {
				t.Errorf("got %v", err)
			}
		})
	}
}
