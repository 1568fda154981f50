package notify_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	goruntime "runtime"
	"strings"
	stdsync "sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gitsync/gitsync/report/notify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "T0KENxyz"

// webhook is a service on this machine that answers as it is told to.
type webhook struct {
	*httptest.Server
	mu     stdsync.Mutex
	bodies []string
}

func newWebhook(t *testing.T, answer http.HandlerFunc) *webhook {
	t.Helper()
	w := &webhook{}
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.mu.Lock()
		w.bodies = append(w.bodies, string(body))
		w.mu.Unlock()
		if answer != nil {
			answer(rw, r)
		}
	}))
	t.Cleanup(func() {
		w.CloseClientConnections()
		w.Close()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	})
	return w
}

// url is the webhook's as shoutrrr has it.
func (w *webhook) url() string {
	return "generic+" + w.URL + "/hook/" + token + "?template=json"
}

func (w *webhook) got() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.bodies...)
}

func notifier(t *testing.T, urls ...string) *notify.Notifier {
	t.Helper()
	n, err := notify.New(urls)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// closing waits for messages on their way.
func closing(t *testing.T, n *notify.Notifier) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := n.Close(ctx); err != nil {
		t.Error(err)
	}
}

func noToken(t *testing.T, err error) {
	t.Helper()
	if err != nil && strings.Contains(err.Error(), token) {
		t.Errorf("a token is in the error: %v", err)
	}
}

func TestAWebhookGetsTitleAndBody(t *testing.T) {
	w := newWebhook(t, nil)
	n := notifier(t, w.url())
	if err := n.Send(t.Context(), "gitsync: web3 failed", "web3 db: never healthy"); err != nil {
		t.Fatal(err)
	}
	closing(t, n)
	var got map[string]string
	if err := json.Unmarshal([]byte(strings.Join(w.got(), "")), &got); err != nil {
		t.Fatal(err)
	}
	if got["title"] != "gitsync: web3 failed" || got["message"] != "web3 db: never healthy" {
		t.Errorf("it got %v", got)
	}
}

func TestAnErrorSaysWhyAndNeverTheURL(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	reset := func(rw http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(rw).Hijack()
		if err == nil {
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		}
	}
	answer := func(code int) http.HandlerFunc {
		return func(rw http.ResponseWriter, r *http.Request) {
			rw.WriteHeader(code)
			_, _ = io.WriteString(rw, "no such hook: "+r.URL.String())
		}
	}
	for name, c := range map[string]struct{ url, want string }{
		"it refuses the connection": {"generic+http://" + closed.Addr().String() + "/" + token, "connection refused"},
		"it resets the connection":  {newWebhook(t, reset).url(), "connection reset"},
		"it answers 404":            {newWebhook(t, answer(404)).url(), "it answers 404 Not Found"},
		"it answers 500":            {newWebhook(t, answer(500)).url(), "it answers 500 Internal Server Error"},
		"it answers 401":            {newWebhook(t, answer(401)).url(), "it refuses the credentials"},
		"its name is unknown":       {"generic+http://no-such-host.invalid/" + token, ""},
		"its method is wrong":       {"generic+http://127.0.0.1/" + token + "?method=" + token + "%20" + token, "not shown"},
	} {
		t.Run(name, func(t *testing.T) {
			n := notifier(t, c.url)
			err := n.Send(t.Context(), "title", "body")
			if err == nil || !strings.HasPrefix(err.Error(), "send to generic://…: ") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			noToken(t, err)
			closing(t, n)
		})
	}
}

func TestAURLThatIsWrongIsNotQuoted(t *testing.T) {
	for _, raw := range []string{
		"", token, token + "://host", "slack://" + token, "://" + token, "http://" + token + "@host",
		"slack://hook:" + token + "%zz@webhook", "nosuch+http://" + token, "smtp://" + token + "@host:port/",
		"discord://" + token, "telegram://" + token, "matrix+x://" + token, "generic://%" + token,
	} {
		_, err := notify.New([]string{"ntfy://ntfy.sh/topic", raw})
		if !errors.Is(err, notify.ErrURL) || !strings.Contains(err.Error(), "notification URL 2 (") {
			t.Errorf("%s: got %v, want that URL 2 is wrong", raw, err)
		}
		noToken(t, err)
		if strings.Contains(notify.Redact(raw), token) {
			t.Errorf("redacted: %s", notify.Redact(raw))
		}
	}
}

func TestAServiceThatHangsHoldsOneGoroutine(t *testing.T) {
	arrived, release := make(chan struct{}, 100), make(chan struct{})
	hung := newWebhook(t, func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-release
	})
	n := notifier(t, hung.url())
	ctx, cancel := context.WithCancel(t.Context())
	var group stdsync.WaitGroup
	group.Go(func() {
		<-arrived
		cancel()
	})
	err := n.Send(ctx, "first", "body")
	if err == nil || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it does not answer", err)
	}
	noToken(t, err)
	group.Wait()
	before := goruntime.NumGoroutine()
	for range 50 {
		if err := n.Send(t.Context(), "next", "body"); !errors.Is(err, notify.ErrBusy) {
			t.Errorf("got %v, want that it is busy", err)
		}
	}
	if after := goruntime.NumGoroutine(); after > before+10 { // some end a moment later
		t.Errorf("%d goroutines after 50 messages, %d before", after, before)
	}
	close(release)
	closing(t, n)
	if got := len(hung.got()); got != 1 {
		t.Errorf("it got %d messages, want 1", got)
	}
}

func TestOfAMessageThatIsHandedInAgainOnlyThoseGetItThatLackIt(t *testing.T) {
	fails := true
	good := newWebhook(t, nil)
	bad := newWebhook(t, func(rw http.ResponseWriter, _ *http.Request) {
		if fails {
			rw.WriteHeader(http.StatusBadGateway)
		}
	})
	n := notifier(t, good.url(), bad.url())
	if err := n.Send(t.Context(), "one", "body"); err == nil {
		t.Error("a service that failed is no error")
	}
	fails = false
	for range 2 { // the second time is another message
		if err := n.Send(t.Context(), "one", "body"); err != nil {
			t.Error(err)
		}
	}
	closing(t, n)
	if a, b := len(good.got()), len(bad.got()); a != 2 || b != 3 {
		t.Errorf("they got %d and %d messages, want 2 and 3", a, b)
	}
}
