package protocol

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxShallow bounds at how many commits a history that was cut may end: some for each merge
// near the tip.
const maxShallow = 10_000

// Request says which objects are wanted.
type Request struct {
	// Wants are what is asked for, by hash, and Haves the commits that are there with all
	// that they were built on.
	Wants, Haves []string
	// Depth is how many commits of each history are wanted; 0 for all.
	Depth int
	// Filter leaves objects out, as git's --filter has it: blob:none, tree:0. It is sent
	// where the server can ([Server.Filters]).
	Filter string
}

// Answer is what a server sends.
type Answer struct {
	// Shallow are the commits whose parents were left out.
	Shallow []string
	// Pack is the pack. It ends where the pack ends, as far as the server says so.
	Pack io.Reader
}

// Fetch is the request for objects, complete in itself: the server answers with a pack.
func (s Server) Fetch(want Request) []byte {
	var q request
	if s.Version == 2 {
		s.command(&q, "fetch")
		q.delimit()
		q.add("ofs-delta")
		q.add("no-progress")
		s.wants(&q, want, "")
		s.haves(&q, want)
		q.add("done")
		q.flush()
		return q.Bytes()
	}
	s.wants(&q, want, s.chosen(want))
	q.flush()
	s.haves(&q, want)
	q.add("done")
	return q.Bytes()
}

// chosen are the capabilities that a version 0 request makes use of, with a space before
// each. Some servers insist on one of the multi_ack ones (Azure DevOps, CodeCommit).
func (s Server) chosen(want Request) string {
	var text strings.Builder
	first := func(capabilities ...string) {
		for _, c := range capabilities {
			if s.Can(c) {
				text.WriteString(" " + c)
				return
			}
		}
	}
	first("multi_ack_detailed", "multi_ack")
	first("side-band-64k", "side-band")
	first("ofs-delta")
	first("no-progress")
	if want.Depth > 0 {
		first("shallow")
	}
	if want.Filter != "" {
		first("filter")
	}
	if s.Can("agent") {
		text.WriteString(" agent=gitsync")
	}
	return text.String()
}

// wants adds the first part of a request. The chosen capabilities are behind the first hash.
func (s Server) wants(q *request, want Request, chosen string) {
	for i, hash := range want.Wants {
		if i > 0 {
			chosen = ""
		}
		q.add("want %s%s", hash, chosen)
	}
	if want.Depth > 0 && s.Shallow() {
		q.add("deepen %d", want.Depth)
	}
	if want.Filter != "" && s.Filters() {
		q.add("filter %s", want.Filter)
	}
}

func (s Server) haves(q *request, want Request) {
	for _, hash := range want.Haves {
		q.add("have %s", hash)
	}
}

// Answer reads what a server answers to [Server.Fetch] up to the beginning of the pack.
//
// Errors: as for [Reader.Greeting].
func (r *Reader) Answer(s Server, want Request) (*Answer, error) {
	r.begun = false
	if s.Version == 2 {
		return r.answerInParts()
	}
	answer := &Answer{}
	if want.Depth > 0 && s.Shallow() {
		if err := r.shallow(answer); err != nil {
			return nil, err
		}
	}
	return answer, r.acknowledged(s, answer)
}

// shallow reads where the history ends, up to the end of that part.
func (r *Reader) shallow(answer *Answer) error {
	for lines := 0; ; lines++ {
		k, text, err := r.must()
		switch hash, ok := strings.CutPrefix(text, "shallow "); {
		case err != nil:
			return err
		case k != data:
			return nil
		case lines == maxShallow, len(answer.Shallow) == maxShallow:
			return fmt.Errorf("%w: it has more than %d commits where the history ends", ErrTooLong, maxShallow)
		case ok && IsHash(hash):
			answer.Shallow = append(answer.Shallow, hash)
		case !strings.HasPrefix(text, "unshallow "):
			return fmt.Errorf("%w: it has %q where the history ends", ErrNotGit, start(text))
		}
	}
}

// acknowledged reads over what a version 0 server says about the commits that are there, in
// any of its ways: the pack follows the last of these lines.
func (r *Reader) acknowledged(s Server, answer *Answer) error {
	banded := s.Can("side-band-64k") || s.Can("side-band")
	for {
		head, err := r.in.Peek(5)
		switch {
		case len(head) == 0 && !r.begun:
			return cut2(err, ErrSilent)
		case string(head[:min(4, len(head))]) == "PACK" && !banded:
			answer.Pack = r.in
			return nil
		case banded && len(head) == 5 && head[4] >= bandPack && head[4] <= bandError:
			answer.Pack = &bands{from: r}
			return nil
		}
		k, text, err := r.line()
		switch {
		case err != nil:
			return err
		case k == end || k == data && text != "NAK" && !strings.HasPrefix(text, "ACK "):
			return fmt.Errorf("%w: it has %q where a pack belongs", ErrNotGit, start(text))
		case !banded && isLast(text):
			answer.Pack = r.in
			return nil
		}
	}
}

// isLast says whether a pack follows an acknowledgement: one of many has a word behind it.
func isLast(text string) bool { return text == "NAK" || len(strings.Fields(text)) == 2 }

// answerInParts reads the parts that version 2 has before the pack.
func (r *Reader) answerInParts() (*Answer, error) {
	answer := &Answer{}
	for {
		k, part, err := r.must()
		switch {
		case err != nil:
			return nil, err
		case k != data:
			return nil, fmt.Errorf("%w: its answer has no pack", ErrNotGit)
		case part == "packfile":
			answer.Pack = &bands{from: r}
			return answer, nil
		case part == "shallow-info":
			err = r.shallow(answer)
		default:
			for k = data; k == data && err == nil; {
				k, _, err = r.must()
			}
		}
		if err != nil {
			return nil, err
		}
	}
}

// The bands of a stream that has several.
const (
	bandPack     = 1
	bandProgress = 2
	bandError    = 3
)

// bands takes the pack out of the packets that it shares with messages.
type bands struct {
	from *Reader
	rest []byte
	err  error
}

// Read implements io.Reader.
func (b *bands) Read(p []byte) (int, error) {
	for len(b.rest) == 0 {
		if b.err != nil {
			return 0, b.err
		}
		k, content, err := b.from.next()
		switch {
		case err != nil:
			b.err = err
		case k == end || k == flush || k == delimiter:
			b.err = io.EOF
		case len(content) == 0:
			b.err = fmt.Errorf("%w: an empty packet in the pack", ErrNotGit)
		case content[0] == bandPack:
			b.rest = content[1:]
		case content[0] == bandProgress:
		case content[0] == bandError:
			b.err = &Refusal{strings.TrimSpace(string(content[1:]))}
		default:
			b.err = fmt.Errorf("%w: a packet of band %d in the pack", ErrNotGit, content[0])
		}
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// cut2 prefers an error of the stream to another one.
func cut2(err, other error) error {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, bufio.ErrBufferFull) {
		return other
	}
	return err
}
