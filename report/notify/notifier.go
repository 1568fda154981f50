package notify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	stdsync "sync"
	"time"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
)

// Timeout bounds how long a service is waited for.
const Timeout = 15 * time.Second

// The errors that a caller may want to tell apart.
var (
	// ErrURL: it is no URL of a service.
	ErrURL = errors.New("not a URL of a notification service, see https://shoutrrr.nickfedor.com/services/overview")
	// ErrBusy: the service has not answered to an earlier message.
	ErrBusy = errors.New("it still has not answered to an earlier message")
)

// Notifier sends to some services.
type Notifier struct {
	services []*service

	mu stdsync.Mutex
	// message is the one that some services have and others do not.
	message [2]string
	has     map[*service]bool
}

// service is where one URL leads to.
type service struct {
	name string
	send func(title, body string) error
	// turn is held while a message is on its way.
	turn chan struct{}
	// group is for the goroutine of a message on its way.
	group stdsync.WaitGroup
}

// New returns a notifier for the URLs of some services, as shoutrrr has them. Nothing is
// sent. Its errors say which of the URLs is wrong by its number, and never what is in
// it.
func New(urls []string) (*Notifier, error) {
	n := &Notifier{has: map[*service]bool{}}
	for i, raw := range urls {
		s, err := newService(raw)
		if err != nil {
			return nil, fmt.Errorf("notification URL %d (%s): %w", i+1, Redact(raw), err)
		}
		n.services = append(n.services, s)
	}
	return n, nil
}

func newService(raw string) (*service, error) {
	// It is the first to see the URL, and answers some with a panic.
	var found types.Service
	err := safely(func() error {
		var err error
		found, err = new(router.ServiceRouter).Locate(raw)
		return err
	})
	switch {
	case errors.Is(err, router.ErrUnknownService):
		return nil, fmt.Errorf("unknown service: %w", ErrURL)
	case err != nil:
		return nil, ErrURL // the rest of it may quote the URL
	}
	return &service{
		name: Redact(raw),
		turn: make(chan struct{}, 1),
		send: func(title, body string) error {
			return found.Send(body, &types.Params{types.TitleKey: title})
		},
	}, nil
}

// Send sends a message to all services and waits for their answers, at most for
// [Timeout]. Of a message that is handed in again after an error, only those get it that
// did not take it.
func (n *Notifier) Send(ctx context.Context, title, body string) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	n.mu.Lock()
	if message := [2]string{title, body}; n.message != message {
		n.message = message
		clear(n.has)
	}
	var missing []*service
	for _, s := range n.services {
		if !n.has[s] {
			missing = append(missing, s)
		}
	}
	n.mu.Unlock()

	errs := make([]error, len(missing))
	var group stdsync.WaitGroup
	for i, s := range missing {
		group.Go(func() { errs[i] = s.deliver(ctx, title, body) })
	}
	group.Wait()

	n.mu.Lock()
	defer n.mu.Unlock()
	for i, s := range missing {
		if errs[i] == nil {
			n.has[s] = true
		} else {
			errs[i] = fmt.Errorf("send to %s: %w", s.name, errs[i])
		}
	}
	err := errors.Join(errs...)
	if err == nil {
		// The same words a second time would be another message.
		n.message = [2]string{}
		clear(n.has)
	}
	return err
}

// deliver sends to one service. One that does not answer in time goes on by itself, and
// gets nothing more before it has.
func (s *service) deliver(ctx context.Context, title, body string) error {
	select {
	case s.turn <- struct{}{}:
	default:
		return ErrBusy
	}
	answer := make(chan error, 1)
	s.group.Go(func() {
		defer func() { <-s.turn }()
		answer <- safely(func() error { return s.send(title, body) })
	})
	select {
	case err := <-answer:
		return reason(err)
	case <-ctx.Done():
		return fmt.Errorf("it does not answer: %w", ctx.Err())
	}
}

// safely turns a panic of foreign code into an error, so that a message takes nobody
// down.
func safely(do func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = errPanic
		}
	}()
	return do()
}

// Close waits for messages that are still on their way, as long as the context allows.
// Afterwards nothing is sent any more.
func (n *Notifier) Close(ctx context.Context) error {
	for _, s := range n.services {
		select {
		case s.turn <- struct{}{}:
			s.group.Wait()
		case <-ctx.Done():
			return fmt.Errorf("a message to %s is still on its way: %w", s.name, ctx.Err())
		}
	}
	return nil
}

// Redact is all of a notification URL that may be shown: its scheme, if it is one of a
// service, and not the beginning of a token.
func Redact(raw string) string {
	scheme, _, found := strings.Cut(raw, "://")
	service, _, _ := strings.Cut(strings.ToLower(scheme), "+")
	if !found || !slices.Contains(new(router.ServiceRouter).ListServices(), service) {
		return "…"
	}
	return service + "://…"
}
