package unlock

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/gitsync/gitsync/secret"
)

// openExternal returns the value of a secret of the agent's own configuration. A line
// break at its end is not part of it.
func (o *Opener) openExternal(ctx context.Context, host, name string) (string, error) {
	if !slices.Contains(o.External(host), name) {
		return "", fmt.Errorf("secret %s is not defined for host %s", name, host)
	}
	o.mu.Lock()
	known, there := o.external[name]
	o.mu.Unlock()
	if there && time.Since(known.read) < externalAge {
		return known.value, nil
	}
	value, err := read(ctx, o.opts.External[name])
	if err != nil {
		return "", fmt.Errorf("secret %s: %w", name, err)
	}
	value = strings.TrimRight(value, "\r\n")
	if len(value) > secret.MaxFileBytes {
		return "", fmt.Errorf("secret %s: it has more than %d bytes", name, secret.MaxFileBytes)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.external[name] = externalValue{value, time.Now()}
	return value, nil
}

func read(ctx context.Context, source secret.Source) (string, error) {
	switch {
	case source.Env != "":
		value, there := os.LookupEnv(source.Env)
		if !there {
			return "", fmt.Errorf("$%s is not set", source.Env)
		}
		return value, nil
	case source.File != "":
		file, err := os.Open(source.File)
		if err != nil {
			return "", err
		}
		defer func() { _ = file.Close() }()
		value, err := io.ReadAll(io.LimitReader(file, secret.MaxFileBytes+1))
		return string(value), err
	}
	return run(ctx, source)
}

// run returns what a program prints. What it says on standard error is not told: it may
// be anything.
func run(ctx context.Context, source secret.Source) (string, error) {
	timeout := cmp.Or(source.Timeout, secret.DefaultTimeout)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	command := exec.CommandContext(ctx, source.Exec[0], source.Exec[1:]...)
	// A child that it leaves behind must not keep us waiting.
	command.WaitDelay = time.Second
	out := &bounded{limit: secret.MaxFileBytes}
	command.Stdout = out
	err := command.Run()
	var exit *exec.ExitError
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return "", fmt.Errorf("%s did not end within %s", source.Exec[0], timeout)
	case ctx.Err() != nil:
		return "", ctx.Err()
	case out.over:
		return "", fmt.Errorf("%s prints more than %d bytes", source.Exec[0], out.limit)
	case errors.As(err, &exit):
		return "", fmt.Errorf("%s failed: %s; run it as the user of gitsync to see why", source.Exec[0], exit.ProcessState)
	case err != nil:
		return "", fmt.Errorf("run %s: %w", source.Exec[0], err)
	}
	return out.text.String(), nil
}

// bounded takes what a program prints, up to a limit.
type bounded struct {
	text  bytes.Buffer
	limit int
	over  bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.text.Len()+len(p) > b.limit {
		b.over = true
		return 0, io.ErrShortWrite
	}
	return b.text.Write(p)
}
