package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/rs/zerolog"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/gitsync/gitsync/internal/follow"
	"github.com/gitsync/gitsync/server"
)

// listenOptions are the flags that make gitsync run listen for webhooks.
type listenOptions struct {
	address    string
	secretFile string
}

func (o *listenOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.address, "listen", "", "`ADDRESS` to listen on for webhooks (POST /webhook), such as 127.0.0.1:8080; a push begins a cycle at once (default: do not listen)")
	f.StringVar(&o.secretFile, "webhook-secret-file", "", "`FILE` with the secret that forges sign webhooks with; or set $GITSYNC_WEBHOOK_SECRET")
}

// secret reads what webhooks are verified with, and returns what follows its file; nil where
// the secret is none of a file's.
func (o *listenOptions) secret() (server.Secret, func(context.Context) server.Secret, error) {
	if o.secretFile != "" {
		file, err := follow.Open(o.secretFile, func(data []byte) (server.Secret, error) {
			secret, err := server.NewSecret(string(data))
			if err != nil {
				err = fmt.Errorf("%s: %w", o.secretFile, err)
			}
			return secret, err
		}, follow.Options{})
		if err != nil {
			return server.Secret{}, nil, fmt.Errorf("read the webhook secret: %w", err)
		}
		return file.Value(), file.Current, nil
	}
	secret, err := server.NewSecret(os.Getenv("GITSYNC_WEBHOOK_SECRET"))
	if err != nil {
		return secret, nil, withHint(errors.New("--listen needs a secret to verify webhooks with"),
			"set --webhook-secret-file FILE or $GITSYNC_WEBHOOK_SECRET, and the same at the forge; openssl rand -hex 32 makes one")
	}
	return secret, nil, nil
}

// open begins to listen, so that an address which is taken is found before the first
// cycle. Nothing is answered before [listening.beside]; without --listen it returns nil.
func (o *listenOptions) open(ctx context.Context, branch string, trigger func(), health func() server.Health) (*listening, error) {
	if o.address == "" {
		return nil, nil
	}
	secret, current, err := o.secret()
	if err != nil {
		return nil, err
	}
	s, err := server.New(server.Options{Secret: secret, CurrentSecret: current, Branch: branch, Trigger: trigger, Health: health})
	if err != nil {
		return nil, err
	}
	socket, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.address)
	if err != nil {
		return nil, withHint(fmt.Errorf("--listen: %w", err), "write an address of this machine and a port that is free, such as 127.0.0.1:8080")
	}
	return &listening{s, socket}, nil
}

// listening is a server with its socket.
type listening struct {
	server *server.Server
	socket net.Listener
}

// beside answers webhooks while the work goes on; it ends when the work does. A listener
// that breaks ends the work.
func (l *listening) beside(ctx context.Context, work func(context.Context) error) error {
	if l == nil {
		return work(ctx)
	}
	zerolog.Ctx(ctx).Info().Stringer("address", l.socket.Addr()).Msg("listens for webhooks")
	group, ctx := errgroup.WithContext(ctx)
	ctx, cancel := context.WithCancel(ctx)
	group.Go(func() error { return l.server.Serve(ctx, l.socket) })
	group.Go(func() error {
		defer cancel()
		return work(ctx)
	})
	return group.Wait()
}
