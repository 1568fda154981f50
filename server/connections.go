package server

import (
	"context"
	"net"
	"net/http"
	stdsync "sync"
)

// connections bounds how many connections are open, without letting anybody wait: when
// there are too many, one of those is closed that send no request, of the address that has
// the most of them, the oldest first. So whoever sends a request at once is answered,
// however many others are slow.
type connections struct {
	most int

	mu   stdsync.Mutex
	open map[net.Conn]*connection
	// count numbers them in the order in which they came.
	count uint64
}

// connection is one that is open.
type connection struct {
	conn   net.Conn
	from   string
	number uint64
	// answers counts the requests that are being answered: with more than none it is not
	// closed.
	answers int
}

func newConnections(most int) *connections {
	return &connections{most: most, open: map[net.Conn]*connection{}}
}

// changed is for [http.Server.ConnState], which calls it for a new connection before the
// next one is accepted.
func (c *connections) changed(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if victim := c.add(conn); victim != nil {
			// The server notices, and says that it is closed.
			_ = victim.Close()
		}
	case http.StateClosed, http.StateHijacked:
		c.mu.Lock()
		delete(c.open, conn)
		c.mu.Unlock()
	case http.StateActive, http.StateIdle:
	}
}

// add counts a new connection, and returns the one that has to go for it; nil for none.
func (c *connections) add(conn net.Conn) (victim net.Conn) {
	from := conn.RemoteAddr().String()
	if host, _, err := net.SplitHostPort(from); err == nil {
		from = host
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count++
	added := &connection{conn: conn, from: from, number: c.count}
	c.open[conn] = added
	if len(c.open) <= c.most {
		return nil
	}
	waiting := map[string]int{}
	for _, other := range c.open {
		if other.answers == 0 && other != added {
			waiting[other.from]++
		}
	}
	var last *connection
	for _, other := range c.open {
		if other.answers > 0 || other == added {
			continue
		}
		if more := waiting[other.from]; last == nil || more > waiting[last.from] || more == waiting[last.from] && other.number < last.number {
			last = other
		}
	}
	if last == nil {
		// All others are being answered, which ends soon.
		last = added
	}
	delete(c.open, last.conn)
	return last.conn
}

// connectionKey is where the context of a request has its connection.
type connectionKey struct{}

// context is for [http.Server.ConnContext].
func (c *connections) context(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, conn)
}

// answering keeps the connection of a request open until the answer is there, which is
// when the function that it returns is called.
func (c *connections) answering(ctx context.Context) (done func()) {
	conn, ok := ctx.Value(connectionKey{}).(net.Conn)
	if !ok {
		return func() {}
	}
	c.answersOf(conn, 1)
	return func() { c.answersOf(conn, -1) }
}

func (c *connections) answersOf(conn net.Conn, by int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.open[conn]; known != nil {
		known.answers += by
	}
}
