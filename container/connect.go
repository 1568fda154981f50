package container

import (
	"context"
	"fmt"
	"io"

	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/runtime"
)

// Connector opens the runtime of a machine. The function that it returns is
// called when the runtime is not needed any more; a connector that keeps runtimes
// open between uses returns one that does nothing.
type Connector func(ctx context.Context, h host.Host, config RuntimeConfig) (runtime.Runtime, func(), error)

// Connect is the [Connector] that is used where no other is set: it opens a new
// connection each time.
func Connect(ctx context.Context, h host.Host, config RuntimeConfig) (runtime.Runtime, func(), error) {
	selected, err := config.selected()
	if err != nil {
		return nil, nil, err
	}
	release := func() {}
	if h.SSHConfig != nil && config.Docker != nil {
		connection, err := h.Connect(ctx)
		if err != nil {
			return nil, nil, fmt.Errorf("connect to %s: %w", h.Address(), err)
		}
		release = func() { _ = connection.Close() }
		remote := *config.Docker
		remote.Dial = connection.DialContext
		selected = &remote
	}
	rt, err := selected.New()
	if err != nil {
		release()
		return nil, nil, fmt.Errorf("open the runtime: %w", err)
	}
	return rt, func() {
		if c, ok := rt.(io.Closer); ok {
			_ = c.Close()
		}
		release()
	}, nil
}
