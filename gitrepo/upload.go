package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing/transport"

	"github.com/gitsync/gitsync/gitrepo/protocol"
	"github.com/gitsync/gitsync/host/ssh"
)

// maxRefs bounds how many bytes of references are read. A server of protocol version 0
// sends all that it has: more than a million fit.
const maxRefs = 256 << 20

// conversation is what a remote's upload-pack and gitsync say to each other.
type conversation interface {
	// greet returns what the server says first. It is called once.
	greet(ctx context.Context, keep func(name string) bool) (protocol.Server, []protocol.Ref, error)
	// ask sends a request. The answer is read, at this pace and up to a limit, before the
	// next one is sent.
	ask(ctx context.Context, request []byte, p pace, limit *budget) (*protocol.Reader, error)
	Close() error
}

// upload is a conversation that fetches.
type upload struct {
	conversation
	remote *Remote
	server protocol.Server
	// advertised are the references that came with the greeting, below version 2.
	advertised []protocol.Ref
	wanted     wanted
	// remembered says that the server was not asked who it is: an earlier conversation did.
	remembered bool
}

// wanted are the names of references: complete ones, or the beginnings of names with a *
// behind them.
type wanted []string

// match says whether a reference is among them.
func (w wanted) match(name string) bool {
	return slices.ContainsFunc(w, func(pattern string) bool {
		prefix, below := strings.CutSuffix(pattern, "*")
		return name == pattern || below && strings.HasPrefix(name, prefix)
	})
}

// prefixes are what a server is asked for.
func (w wanted) prefixes() []string {
	list := make([]string, 0, len(w))
	for _, pattern := range w {
		list = append(list, strings.TrimSuffix(pattern, "*"))
	}
	return list
}

// branches are the references of branches.
func branches(names ...string) wanted {
	list := make(wanted, 0, len(names))
	for _, name := range names {
		list = append(list, "refs/heads/"+name)
	}
	return list
}

// converse begins a conversation about some references; none are read when none are wanted.
func (r *Remote) converse(ctx context.Context, about wanted) (*upload, error) {
	r.mu.Lock()
	known := r.known
	old := r.old
	r.mu.Unlock()
	if known != nil && r.http != nil && (known.Version == 2 || len(about) == 0) {
		return &upload{conversation: r.openHTTP(old), remote: r, server: *known, wanted: about, remembered: true}, nil
	}
	return r.begin(ctx, about, old)
}

// begin asks the server who it is. With old it is not asked for version 2.
func (r *Remote) begin(ctx context.Context, about wanted, old bool) (_ *upload, err error) {
	var c conversation
	if r.http != nil {
		c = r.openHTTP(old)
	} else if c, err = r.openUpload(ctx, old); err != nil {
		return nil, err
	}
	u := &upload{conversation: c, remote: r, wanted: about}
	if u.server, u.advertised, err = c.greet(ctx, about.match); err != nil {
		return nil, errors.Join(err, ignored(c.Close()))
	}
	if h, ok := c.(*httpConversation); ok && !h.redirected {
		r.remember(&u.server)
	}
	return u, nil
}

// ignored is for errors of closing what failed already.
func ignored(error) error { return nil }

func (r *Remote) remember(server *protocol.Server) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known = server
}

// list returns the wanted references. What was remembered of the server is asked for again
// when it does not hold any more, and version 0 is tried where a server only claims to know
// version 2.
func (r *Remote) list(ctx context.Context, about wanted) ([]protocol.Ref, *upload, error) {
	u, err := r.converse(ctx, about)
	if err != nil {
		return nil, nil, err
	}
	refs, err := u.refs(ctx)
	if err == nil {
		return refs, u, nil
	}
	_ = u.Close()
	if u.remembered && misunderstood(ctx, err) {
		r.remember(nil)
		if u, err = r.begin(ctx, about, false); err != nil {
			return nil, nil, err
		}
		if refs, err = u.refs(ctx); err == nil {
			return refs, u, nil
		}
		_ = u.Close()
	}
	if u.server.Version != 2 || !misunderstood(ctx, err) {
		return nil, nil, err
	}
	older, beginErr := r.begin(ctx, about, true)
	if beginErr != nil {
		return nil, nil, err
	}
	r.mu.Lock()
	r.old = true
	r.mu.Unlock()
	return older.advertised, older, nil
}

// misunderstood says whether another version of the protocol may help.
func misunderstood(ctx context.Context, err error) bool {
	if ctx.Err() != nil || errors.Is(err, errSlow) {
		return false
	}
	for _, clear := range []error{
		transport.ErrAuthenticationRequired, transport.ErrAuthorizationFailed, protocol.ErrTooMany, protocol.ErrSHA256, ErrTooLarge,
		ErrAuth, ErrSetup, ErrUnreachable, ssh.ErrAuth, ssh.ErrHostKey,
	} {
		if errors.Is(err, clear) {
			return false
		}
	}
	return errors.Is(err, protocol.ErrSilent) || errors.Is(err, io.EOF) || !isNetwork(err)
}

// refs returns the wanted references.
func (u *upload) refs(ctx context.Context) ([]protocol.Ref, error) {
	if u.server.Version != 2 {
		return u.advertised, nil
	}
	reader, err := u.ask(ctx, u.server.ListRefs(u.wanted.prefixes()), refsPace, newBudget(maxRefs, "the list of references"))
	if err != nil {
		return nil, err
	}
	refs, err := reader.Refs(u.wanted.match)
	if errors.Is(err, protocol.ErrTooMany) {
		err = fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	return refs, aboutRefs(err)
}

// fetch asks for objects, of which so many bytes may come.
func (u *upload) fetch(ctx context.Context, request protocol.Request, limit *budget) (*protocol.Answer, error) {
	reader, err := u.ask(ctx, u.server.Fetch(request), packPace, limit)
	if err != nil {
		return nil, err
	}
	answer, err := reader.Answer(u.server, request)
	if u.remembered && err != nil && misunderstood(ctx, err) {
		u.remote.remember(nil)
	}
	if err = refusal(err); errors.Is(err, errFilter) {
		u.remote.refuse(request.Filter, time.Time{})
	}
	return answer, err
}

// again returns a conversation for one more fetch. Over one stream a server of version 0
// answers once.
func (u *upload) again(ctx context.Context) (*upload, error) {
	if u.server.Version == 2 || u.remote.http != nil {
		return u, nil
	}
	_ = u.Close()
	next, err := u.remote.begin(ctx, nil, false)
	if err != nil {
		return u, err
	}
	u.conversation, u.server = next.conversation, next.server
	return u, nil
}

// filter returns a filter when the server knows it, as far as is known.
func (u *upload) filter(name string) string {
	u.remote.mu.Lock()
	defer u.remote.mu.Unlock()
	until, refused := u.remote.refused[name]
	if !u.server.Filters() || refused && (until.IsZero() || time.Now().Before(until)) {
		return ""
	}
	return name
}

// refuse remembers that the server does not know a filter, until some time; the zero time is
// for ever.
func (r *Remote) refuse(filter string, until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refused == nil {
		r.refused = map[string]time.Time{}
	}
	r.refused[filter] = until
}

// refusal gives what a server says about objects that it does not send its meaning here.
func refusal(err error) error {
	var said *protocol.Refusal
	if !errors.As(err, &said) {
		return err
	}
	switch text := strings.ToLower(said.Text); {
	case strings.Contains(text, "not our ref"), strings.Contains(text, "unadvertised object"):
		return fmt.Errorf("%w: %w", errNotOffered, err)
	case strings.Contains(text, "filter"):
		return fmt.Errorf("%w: %w", errFilter, err)
	}
	return err
}

var (
	// errNotOffered means that the server does not have an object, or does not give it.
	errNotOffered = errors.New("the remote does not offer the object")
	// errFilter means that the server does not leave objects out as it was asked to.
	errFilter = errors.New("the remote refuses the filter")
)

// budget is how many bytes may still be read, in one answer or in several.
type budget struct {
	left int64
	max  int64
	of   string
}

func newBudget(most int64, of string) *budget { return &budget{left: most, max: most, of: of} }

// used is how many bytes were read.
func (b *budget) used() int64 { return b.max - b.left }

// reader counts what is read from a stream, and fails, rather than ends, when it is more
// than allowed.
func (b *budget) reader(r io.Reader) io.Reader { return &budgeted{r, b} }

type budgeted struct {
	io.Reader
	budget *budget
}

// Read implements io.Reader.
func (b *budgeted) Read(p []byte) (int, error) {
	if b.budget.left <= 0 {
		return 0, fmt.Errorf("%s is %w: more than %d MiB", b.budget.of, ErrTooLarge, b.budget.max>>20)
	}
	if int64(len(p)) > b.budget.left {
		p = p[:b.budget.left]
	}
	n, err := b.Reader.Read(p)
	b.budget.left -= int64(n)
	return n, err
}
