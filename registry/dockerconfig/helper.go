package dockerconfig

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
	"unicode"

	"github.com/docker/docker-credential-helpers/client"
	"github.com/docker/docker-credential-helpers/credentials"

	"github.com/gitsync/gitsync/registry"
)

const (
	// maxHelperOutput bounds what is read of a helper.
	maxHelperOutput = 64 << 10
	// helperWait is how long the pipes of a helper that was cut off may stay open.
	helperWait = time.Second
	// tokenUser is the name by which a helper says that the secret is an identity token.
	tokenUser = "<token>"
)

// ask asks a credential helper.
func (c Config) ask(ctx context.Context, helper, name, key string) (registry.Credential, error) {
	timeout := cmp.Or(c.Timeout, defaultTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("it did not answer within %s", timeout))
	defer cancel()
	p := &program{ctx: ctx, name: "docker-credential-" + helper}
	if strings.ContainsAny(helper, `/\`) {
		return registry.Credential{}, fmt.Errorf("the credential helper %q for registry %s: write its name without docker-credential- and without a path", helper, name)
	}
	found, err := client.Get(p.start, key)
	switch {
	case credentials.IsErrCredentialsNotFound(err):
		return registry.Credential{}, nil
	case err != nil:
		return registry.Credential{}, fmt.Errorf("ask %s for the credentials of registry %s: %w", p.name, name, p.explain())
	case found.Username == tokenUser:
		return registry.Credential{IdentityToken: found.Secret}, nil
	}
	return registry.Credential{Username: found.Username, Password: found.Secret}, nil
}

// program runs a helper once. It implements client.Program.
type program struct {
	ctx    context.Context
	name   string
	args   []string
	stdin  io.Reader
	out    bounded
	stderr bounded
	failed error
}

func (p *program) start(args ...string) client.Program {
	p.args = args
	return p
}

// Input implements client.Program.
func (p *program) Input(in io.Reader) { p.stdin = in }

// Output implements client.Program.
func (p *program) Output() ([]byte, error) {
	cmd := exec.CommandContext(p.ctx, p.name, p.args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.stdin, &p.out, &p.stderr
	cmd.Env = environment()
	cmd.WaitDelay = helperWait
	alone(cmd)
	p.failed = cmd.Run()
	if p.failed == nil && p.out.full {
		p.failed = fmt.Errorf("it printed more than %d bytes", maxHelperOutput)
	}
	return p.out.kept.Bytes(), p.failed
}

// explain says why the helper did not answer. The library's error quotes all that it
// printed, which may hold a secret; here only the message is quoted by which a helper
// that failed says what is wrong, which is no JSON.
func (p *program) explain() error {
	if cause := context.Cause(p.ctx); cause != nil {
		return fmt.Errorf("%w: look at why the helper hangs, or remove it from Docker's config.json", cause)
	}
	if p.failed == nil {
		return errors.New("its answer is no JSON with ServerURL, Username and Secret")
	}
	if errors.Is(p.failed, exec.ErrNotFound) {
		return fmt.Errorf("%w: install it, or remove it from Docker's config.json", p.failed)
	}
	said := message(p.out.kept.String())
	if strings.ContainsAny(said, `{}"`) {
		said = ""
	}
	if said = cmp.Or(said, message(p.stderr.kept.String())); said == "" || strings.ContainsAny(said, `{}"`) {
		return p.failed
	}
	return fmt.Errorf("%w: %s", p.failed, said)
}

// message returns the first line of a text, without what could steer a terminal.
func message(text string) string {
	const limit = 200
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	line = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, line)
	if runes := []rune(line); len(runes) > limit {
		line = string(runes[:limit]) + "…"
	}
	return line
}

// environment is this process's, without what is gitsync's own: tokens may be in it.
func environment() []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "GITSYNC_") {
			env = append(env, e)
		}
	}
	return env
}

// bounded keeps the beginning of what is written, and takes the rest without keeping it.
type bounded struct {
	// Not embedded: its ReadFrom would have no bound.
	kept bytes.Buffer
	full bool
}

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	kept := p
	if rest := maxHelperOutput - b.kept.Len(); len(p) > rest {
		kept, b.full = p[:rest], true
	}
	b.kept.Write(kept)
	return len(p), nil
}
