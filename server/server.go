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
	maxConnections = 128
	// refusalsLogged is how many lines a minute tell of requests that were turned away.
	refusalsLogged = 10
)

// Options say what to listen for.
type Options struct {
	// Secret is what forges sign with. Required.
	Secret Secret
	// CurrentSecret, when set, returns what forges sign with by now, for each request, and
	// counts before Secret.
	CurrentSecret func(context.Context) Secret
	// Branch is the one whose pushes count. Required.
	Branch string
	// Trigger is called when it was pushed to. It must not wait, and is called by several
	// goroutines. Required.
	Trigger func()
	// Health says whether all is well with the process, for GET /healthz: its text is sent
	// to whoever asks, and must hold nothing that not everybody may read. It must not wait.
	// Nil means that it is.
	Health func() Health
	// Timeout bounds a request, from its first byte to the answer; 20 s by default.
	// GitHub and GitLab give up after 10 s.
	Timeout time.Duration
}

// Health is how the process is.
type Health struct {
	// Failing says that somebody should look after it: the answer is 503 instead of 200.
	Failing bool
	// Text is why, or what else there is to say; empty means "ok".
	Text string
}

// Server answers webhooks.
type Server struct {
	opts        Options
	connections *connections
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
		opts: opts, connections: newConnections(maxConnections), bodies: make(chan struct{}, maxBodies),
		refusals: &zerolog.BurstSampler{Burst: refusalsLogged, Period: time.Minute},
	}, nil
}

// Handler returns what answers requests. A panic in it is logged, answered with 500, and
// ends nothing else.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /webhook", s.webhook)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { reply(w, s.health()) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer s.connections.answering(r.Context())()
		defer survive(w, r)
		mux.ServeHTTP(w, r)
	})
}

func (s *Server) health() answer {
	health := Health{}
	if s.opts.Health != nil {
		health = s.opts.Health()
	}
	if health.Text == "" {
		health.Text = "ok"
	}
	if health.Failing {
		return answer{http.StatusServiceUnavailable, health.Text}
	}
	return answer{http.StatusOK, health.Text}
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
		ConnState:   s.connections.changed, ConnContext: s.connections.context,
		ErrorLog: slog.NewLogLogger(zerolog.NewSlogHandler(*log), slog.LevelDebug),
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
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
