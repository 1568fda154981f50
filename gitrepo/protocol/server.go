package protocol

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Version is what asks a server for version 2, as the HTTP header Git-Protocol and the
// environment variable GIT_PROTOCOL have it.
const Version = "version=2"

// MaxKept bounds how many bytes of references are kept of those that a server lists.
const MaxKept = 16 << 20

// maxCapabilities bounds how many bytes of capabilities a server of version 2 may list.
const maxCapabilities = 64 << 10

// Server is what a server says about itself. The zero value can nothing.
type Server struct {
	// Version is 0, 1 or 2.
	Version int
	// able maps what it can do to what it says about that.
	able map[string]string
}

// Ref is one reference.
type Ref struct {
	// Name is complete: refs/heads/main.
	Name string
	// Hash is what it points to, as 40 hexadecimal digits, and Peeled the commit below an
	// annotated tag; empty where there is none.
	Hash, Peeled string
}

// Can says whether a version 0 server has a capability.
func (s Server) Can(capability string) bool {
	_, ok := s.able[capability]
	return ok
}

// fetches says whether a version 2 server knows a feature of its command fetch.
func (s Server) fetches(feature string) bool {
	return slices.Contains(strings.Fields(s.able["fetch"]), feature)
}

// Shallow says whether a history can be cut.
func (s Server) Shallow() bool { return s.can("shallow") }

// Filters says whether objects can be left out.
func (s Server) Filters() bool { return s.can("filter") }

// AnyObject says whether any object of the repo can be asked for by its hash. Below version
// 2 it is what the server promises; it may do more.
func (s Server) AnyObject() bool {
	return s.Version == 2 || s.Can("allow-any-sha1-in-want") || s.Can("allow-reachable-sha1-in-want")
}

func (s Server) can(feature string) bool {
	if s.Version == 2 {
		return s.fetches(feature)
	}
	return s.Can(feature)
}

// Greeting reads what a server says first. Below version 2 these are its references too, of
// which those are returned that keep wants; version 2 has none yet.
//
// Errors: [ErrSilent], [ErrNotGit], [ErrSHA256], [ErrTooMany], [ErrTooLong], [*Refusal], and
// those of the stream.
func (r *Reader) Greeting(keep func(name string) bool) (Server, []Ref, error) {
	s := Server{able: map[string]string{}}
	kept := &kept{keep: keep}
	service := false
	for first := true; ; {
		k, text, err := r.must()
		switch {
		case err != nil:
			return s, nil, err
		case k == flush && first && service: // over HTTP the line with the service ends with one
			service = false
			continue
		case k == flush:
			return s, kept.refs, s.check()
		case k != data:
			return s, nil, fmt.Errorf("%w: its references have parts", ErrNotGit)
		}
		switch {
		case first && strings.HasPrefix(text, "# service="):
			service = true
			continue
		case first && text == "version 2":
			s.Version = 2
			return s, nil, r.capabilities(s)
		case first && text == "version 1":
			s.Version = 1
			continue
		case first:
			first = false
			var list string
			text, list, _ = strings.Cut(text, "\x00")
			s.learn(strings.Fields(list))
			if err := s.check(); err != nil {
				return s, nil, err
			}
		}
		if strings.HasPrefix(text, "shallow ") {
			continue
		}
		if err := kept.add(text); err != nil {
			return s, nil, err
		}
	}
}

// capabilities reads those of version 2.
func (r *Reader) capabilities(s Server) error {
	for length := 0; ; {
		k, text, err := r.must()
		if err != nil {
			return err
		}
		if k == flush {
			return s.check()
		}
		if length += len(text) + 1; length > maxCapabilities {
			return fmt.Errorf("%w: it lists more than %d KiB of capabilities", ErrTooLong, maxCapabilities>>10)
		}
		s.learn([]string{text})
	}
}

// learn notes capabilities.
func (s Server) learn(list []string) {
	for _, capability := range list {
		name, value, _ := strings.Cut(capability, "=")
		if name != "symref" { // which is there for each symbolic reference
			s.able[name] = value
		}
	}
}

func (s Server) check() error {
	if format, ok := s.able["object-format"]; ok && format != "sha1" {
		return ErrSHA256
	}
	if s.Version == 2 && (!s.Can("ls-refs") || !s.Can("fetch")) {
		return fmt.Errorf("%w: it has protocol version 2 without ls-refs and fetch", ErrNotGit)
	}
	return nil
}

// kept gathers references.
type kept struct {
	keep  func(name string) bool
	refs  []Ref
	bytes int
}

// add reads a line of a version 0 server: a hash and a name, which is that of a tag before
// it with "^{}" behind it where the hash is that of the tag's commit.
func (k *kept) add(line string) error {
	hash, name, ok := strings.Cut(line, " ")
	if !ok || !IsHash(hash) {
		return fmt.Errorf("%w: it has %q among its references", ErrNotGit, start(line))
	}
	if tag, peeled := strings.CutSuffix(name, "^{}"); peeled {
		if n := len(k.refs); n > 0 && k.refs[n-1].Name == tag {
			k.refs[n-1].Peeled = hash
		}
		return nil
	}
	return k.take(Ref{Name: name, Hash: hash})
}

func (k *kept) take(ref Ref) error {
	if !k.keep(ref.Name) {
		return nil
	}
	const perRef = 160 // hashes and headers
	if k.bytes += len(ref.Name) + perRef; k.bytes > MaxKept {
		return fmt.Errorf("%w: they take more than %d MiB", ErrTooMany, MaxKept>>20)
	}
	ref.Name, ref.Hash, ref.Peeled = strings.Clone(ref.Name), strings.Clone(ref.Hash), strings.Clone(ref.Peeled)
	k.refs = append(k.refs, ref)
	return nil
}

// ListRefs is the request of version 2 for the references that begin with one of the
// prefixes. More may come: a server need not obey.
func (s Server) ListRefs(prefixes []string) []byte {
	var q request
	s.command(&q, "ls-refs")
	q.delimit()
	q.add("peel")
	for _, prefix := range prefixes {
		q.add("ref-prefix %s", prefix)
	}
	q.flush()
	return q.Bytes()
}

// command begins a request of version 2.
func (s Server) command(q *request, name string) {
	q.add("command=%s", name)
	if s.Can("agent") {
		q.add("agent=gitsync")
	}
	if s.Can("object-format") {
		q.add("object-format=sha1")
	}
}

// Refs reads the answer to [Server.ListRefs], of which those are returned that keep wants.
//
// Errors: as for [Reader.Greeting].
func (r *Reader) Refs(keep func(name string) bool) ([]Ref, error) {
	r.begun = false
	kept := &kept{keep: keep}
	for {
		k, text, err := r.must()
		switch {
		case err != nil:
			return nil, err
		case k == flush:
			return kept.refs, nil
		}
		fields := strings.Fields(text)
		if len(fields) < 2 || !IsHash(fields[0]) && fields[0] != "unborn" {
			return nil, fmt.Errorf("%w: it has %q among its references", ErrNotGit, start(text))
		}
		ref := Ref{Name: fields[1], Hash: fields[0]}
		for _, attribute := range fields[2:] {
			if peeled, ok := strings.CutPrefix(attribute, "peeled:"); ok && IsHash(peeled) {
				ref.Peeled = peeled
			}
		}
		if ref.Hash == "unborn" {
			continue
		}
		if err := kept.take(ref); err != nil {
			return nil, err
		}
	}
}

// IsHash says whether a text is a SHA-1 in hexadecimal digits.
func IsHash(text string) bool {
	_, err := hex.DecodeString(text)
	return err == nil && len(text) == 40
}

// start is the beginning of a text that a server made up.
func start(text string) string { return text[:min(len(text), 80)] }
