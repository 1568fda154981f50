package ssh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	stdsync "sync"

	xssh "golang.org/x/crypto/ssh"
)

// Dialer connects to hosts with one set of options. Connections to hosts behind one jump
// host share the connection to it. It is safe for concurrent use.
type Dialer struct {
	opts Options

	mu    stdsync.Mutex
	jumps map[string]*jump
	// shown holds, by wayOf, what was shown at the last login.
	shown map[string]Shown
}

// jump is a jump host that is in use.
type jump struct {
	connection *Connection
	users      int
	// ready is closed when the connection is there, or err is set.
	ready chan struct{}
	err   error
}

// NewDialer returns a dialer that has connected to nothing yet. It holds nothing that is
// to be closed: connections to jump hosts end with the last one that goes through them.
func NewDialer(opts Options) *Dialer {
	return &Dialer{opts: opts, jumps: map[string]*jump{}, shown: map[string]Shown{}}
}

// login connects to a host once, through the jump hosts on the way, of which via are
// those that lead here. Release gives the jump hosts up; it may be called more than once.
func (d *Dialer) login(ctx context.Context, config Config, via []string) (client *xssh.Client, release func(), err error) {
	opts := d.opts
	if len(via) > 0 {
		// A jump host is another kind of host than the one behind it.
		opts.DefaultUser = ""
	}
	t, err := resolve(config, opts)
	if err != nil {
		return nil, nil, err
	}
	dial, release := dialFunc((&net.Dialer{}).DialContext), func() {}
	if len(t.jumps) > 0 {
		key := t.User + "@" + t.HostPort()
		if slices.Contains(via, key) || len(via) > maxJumps {
			return nil, nil, fmt.Errorf("%w: the way to %s leads through itself (ProxyJump)", ErrConfig, t.HostPort())
		}
		hop, free, err := d.through(ctx, t.jumps, append(slices.Clone(via), key))
		if err != nil {
			return nil, nil, err
		}
		release = stdsync.OnceFunc(free)
		dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := hop.DialContext(ctx, network, address)
			if err != nil {
				return nil, fmt.Errorf("through the jump host %s: %w", hop.address, err)
			}
			return conn, nil
		}
	}
	client, shown, err := logIn(ctx, t, opts, dial)
	if err != nil {
		release()
		return nil, nil, err
	}
	if len(via) == 0 {
		d.mu.Lock()
		d.shown[wayOf(config)] = shown
		d.mu.Unlock()
	}
	return client, release, nil
}

// Verified says whether the known hosts of this side, or an authority in them, vouch for
// the key that a host showed at the last login. A hostKey of the configuration does not, and
// with [Options.TrustOnFirstUse] neither do known hosts, which may have what was shown first.
func (d *Dialer) Verified(config Config) bool { return d.Shown(config).Verified }

// Shown returns what a host showed at the last login; zero before the first one.
func (d *Dialer) Shown(config Config) Shown {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.shown[wayOf(config)]
}

// wayOf names what decides which machine answers, and which key it may show.
func wayOf(config Config) string {
	return config.User + "@" + config.HostPort() + " " + config.ProxyJump + " " + config.HostKey
}

// through returns a connection to the last of the jump hosts, which is shared until it
// is freed by all.
func (d *Dialer) through(ctx context.Context, jumps []Config, via []string) (*Connection, func(), error) {
	last := jumps[len(jumps)-1]
	if before := jumps[:len(jumps)-1]; len(before) > 0 {
		last.ProxyJump = joinJumps(before)
	}
	key := last.User + "@" + last.HostPort() + " " + last.ProxyJump
	for {
		hop, mine := d.use(key)
		if mine {
			hop.connection, hop.err = d.connect(ctx, last, via)
			close(hop.ready)
		}
		select {
		case <-hop.ready:
		case <-ctx.Done():
			d.free(key, hop)
			return nil, nil, fmt.Errorf("connect to the jump host %s: %w", last.HostPort(), context.Cause(ctx))
		}
		if hop.err == nil {
			return hop.connection, func() { d.free(key, hop) }, nil
		}
		d.free(key, hop)
		if mine || ctx.Err() != nil || !errors.Is(hop.err, context.Canceled) && !errors.Is(hop.err, context.DeadlineExceeded) {
			return nil, nil, fmt.Errorf("the jump host %s: %w", last.HostPort(), hop.err)
		}
		// Somebody else gave it up, and this caller has not.
	}
}

// use returns a jump host, and whether it is for the caller to connect to it.
func (d *Dialer) use(key string) (hop *jump, mine bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	hop, known := d.jumps[key]
	if !known {
		hop = &jump{ready: make(chan struct{})}
		d.jumps[key] = hop
	}
	hop.users++
	return hop, !known
}

// free gives a jump host up, and ends its connection when nobody uses it any more, or
// when there is none.
func (d *Dialer) free(key string, hop *jump) {
	d.mu.Lock()
	hop.users--
	failed := false
	select {
	case <-hop.ready:
		failed = hop.err != nil
	default:
	}
	if d.jumps[key] == hop && (hop.users == 0 || failed) {
		delete(d.jumps, key)
	}
	unused := hop.users == 0
	d.mu.Unlock()
	if unused && hop.connection != nil {
		_ = hop.connection.Close() // nothing is lost with it
	}
}

// errClosed is what a connection says after Close.
var errClosed = errors.New("the connection is closed")
