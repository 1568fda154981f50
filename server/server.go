package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
)

const (
	headerTimeout   = 5 * time.Second
	idleTimeout     = time.Minute
	shutdownTimeout = 5 * time.Second
	maxHeader       = 32 << 10
	// maxConnections keeps strangers from using up the file descriptors that the cycle
	// needs for Git and the hosts.
	maxConnections = 64
	// refusalsLogged is how many lines a minute tell of requests that were turned away.
	refusalsLogged = 10
)

// Options say what to listen for.
type Options struct {
	// Secret is what forges sign with. Required.
	Secret Secret
	// Branch is the one whose pushes count. Required.
	Branch string
	// Trigger is called when it was pushed to. It must not wait, and is called by several
	// goroutines. Required.
	Trigger func()
	// Timeout bounds a request, from its first byte to the answer; 20 s by default.
	// GitHub and GitLab give up after 10 s.
	Timeout time.Duration
}

// Server answers webhooks.
type Server struct {
	opts Options
	// bodies holds a value for each payload in memory.
	bodies   chan struct{}
	refusals zerolog.Sampler
}

// New returns a server that does not listen yet.
//
// Errors: [ErrNoSecret], and a missing branch or trigger.
func New(opts Options) (*Server, error) {
	if len(opts.Secret.value) == 0 {
		return nil, ErrNoSecret
	}
	if opts.Branch == "" || opts.Trigger == nil {
		return nil, errors.New("set the branch and the trigger of webhooks")
	}
	if opts.Timeout <= 0 {
		opts.Timeout = 20 * time.Second
	}
	return &Server{
		opts: opts, bodies: make(chan struct{}, maxBodies),
		refusals: &zerolog.BurstSampler{Burst: refusalsLogged, Period: time.Minute},
	}, nil
}

// Handler returns what answers requests. A panic in it is logged, answered with 500, and
// ends nothing else.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /webhook", s.webhook)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, answer{http.StatusOK, "ok"})
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer survive(w, r)
		mux.ServeHTTP(w, r)
	})
}

// survive is deferred: it ends a panic.
func survive(w http.ResponseWriter, r *http.Request) {
	if what := recover(); what != nil {
		zerolog.Ctx(r.Context()).Error().Interface("panic", what).Bytes("stack", debug.Stack()).Msg("webhook")
		reply(w, answer{http.StatusInternalServerError, "something is wrong with gitsync: its log says what"})
	}
}

// Serve answers what comes to the listener until the context is done, and closes it.
// Requests in hand are answered then, for a few seconds at most. It returns nil, or why
// the listener broke.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	log := zerolog.Ctx(ctx)
	base := context.WithoutCancel(ctx)
	server := &http.Server{
		Handler: s.Handler(), MaxHeaderBytes: maxHeader, IdleTimeout: idleTimeout,
		ReadHeaderTimeout: min(headerTimeout, s.opts.Timeout), ReadTimeout: s.opts.Timeout, WriteTimeout: s.opts.Timeout,
		BaseContext: func(net.Listener) context.Context { return base },
		ErrorLog:    slog.NewLogLogger(zerolog.NewSlogHandler(*log), slog.LevelDebug),
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := server.Serve(limit(listener, maxConnections)); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("listen on %s: %w", listener.Addr(), err)
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		ctx, cancel := context.WithTimeout(base, shutdownTimeout)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			// Who is still sending has had its time.
			_ = server.Close()
		}
		return nil
	})
	return group.Wait()
}
