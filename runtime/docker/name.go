package docker

import (
	"context"
	"io"
)

// HostName returns the name of the machine that an engine runs on, as the engine has it:
// also to a process in a container, whose own host name is another one.
func HostName(ctx context.Context, config Config) (string, error) {
	rt, err := config.New()
	if err != nil {
		return "", err
	}
	engine := rt.(*Runtime)
	defer func(c io.Closer) { _ = c.Close() }(engine)
	info, err := engine.api.Info(ctx)
	if err != nil {
		return "", engine.classify(ctx, err)
	}
	return info.Name, nil
}
