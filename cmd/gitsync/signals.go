package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/gitsync/gitsync/server"
	"github.com/gitsync/gitsync/sync"
)

// listenForHangups catches SIGHUP from now on: it is for [besideHangups], or, for a single
// run, ends the context as SIGTERM does, and the second one the process. Under nohup a
// single run goes on.
func listenForHangups(ctx context.Context, once bool) (context.Context, <-chan os.Signal) {
	hangups := make(chan os.Signal, 1)
	switch {
	case !once:
		signal.Notify(hangups, syscall.SIGHUP)
	case !signal.Ignored(syscall.SIGHUP):
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(ctx, syscall.SIGHUP)
		context.AfterFunc(ctx, stop)
	}
	return ctx, hangups
}

// besideHangups begins a cycle for each SIGHUP while the work goes on.
func besideHangups(ctx context.Context, hangups <-chan os.Signal, begin func(), work func(context.Context) error) error {
	var group errgroup.Group
	ended := make(chan struct{})
	group.Go(func() error {
		for {
			select {
			case <-ended:
				return nil
			case <-hangups:
				zerolog.Ctx(ctx).Info().Msg("SIGHUP: a cycle begins")
				begin()
			}
		}
	})
	group.Go(func() error {
		defer close(ended)
		return work(ctx)
	})
	return group.Wait()
}

// health is what GET /healthz answers.
func (s *settings) health(syncer *sync.Syncer) server.Health {
	h := syncer.Health()
	text := ""
	if h.Failing {
		text = fmt.Sprintf("%s since %s", h.Reason, h.Since.UTC().Format(time.RFC3339))
	}
	if dropped := s.lines.Dropped(); dropped > 0 {
		if text == "" {
			text = "ok"
		}
		text += fmt.Sprintf("; %d log lines dropped", dropped)
	}
	return server.Health{Failing: h.Failing, Text: text}
}
