package forge_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	stdsync "sync"
	"testing"
	"time"

	"github.com/gitsync/gitsync/report/forge"
)

// appWorld is a GitHub that knows one App, and a clock.
type appWorld struct {
	key    *rsa.PrivateKey
	mu     stdsync.Mutex
	now    time.Time
	asked  []string
	tokens int  // given
	valid  bool // what was given is taken
}

func newAppWorld(t *testing.T) (*appWorld, *httptest.Server) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	w := &appWorld{key: key, now: now, valid: true}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.asked = append(w.asked, r.Method+" "+strings.TrimPrefix(r.URL.Path, "/api/v3"))
		w.answer(t, rw, r)
	}))
	t.Cleanup(server.Close)
	return w, server
}

func (w *appWorld) answer(t *testing.T, rw http.ResponseWriter, r *http.Request) {
	bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch path := strings.TrimPrefix(r.URL.Path, "/api/v3"); {
	case path == "/repos/acme/infra/installation":
		w.checkJWT(t, bearer)
		fmt.Fprint(rw, `{"id": 77}`)
	case path == "/app/installations/77/access_tokens":
		w.checkJWT(t, bearer)
		checkBody(t, r, `{"repositories": ["infra"]}`)
		w.tokens++
		rw.WriteHeader(http.StatusCreated)
		fmt.Fprintf(rw, `{"token": "ghs_%d", "expires_at": %q}`, w.tokens, w.now.Add(time.Hour).Format(time.RFC3339))
	case bearer == fmt.Sprintf("ghs_%d", w.tokens) && w.valid:
		fmt.Fprint(rw, protocols()[0].same)
	default:
		rw.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(rw, `{"message": "Bad credentials: %s"}`, bearer)
	}
}

// checkJWT checks a JSON Web Token as GitHub does.
func (w *appWorld) checkJWT(t *testing.T, text string) {
	t.Helper()
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		t.Errorf("%q is not a JSON Web Token", text)
		return
	}
	var decoded [3][]byte
	for i, part := range parts {
		var err error
		if decoded[i], err = base64.RawURLEncoding.DecodeString(part); err != nil {
			t.Error(err)
		}
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(&w.key.PublicKey, crypto.SHA256, digest[:], decoded[2]); err != nil {
		t.Errorf("signature: %v", err)
	}
	var claims struct {
		Iat, Exp int64
		Iss      string
	}
	if err := json.Unmarshal(decoded[1], &claims); err != nil {
		t.Error(err)
	}
	if claims.Iss != "Iv23.app" || claims.Iat > w.now.Unix() || claims.Exp-claims.Iat > 600 || claims.Exp <= w.now.Unix() {
		t.Errorf("claims: got %+v", claims)
	}
}

// client is one that signs in as the App, with its key as PKCS #1 or #8.
func (w *appWorld) client(t *testing.T, address string, changes ...func(*forge.App)) *forge.Client {
	t.Helper()
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(w.key)}
	app := &forge.App{ID: "Iv23.app", Key: forge.Secret(pem.EncodeToMemory(block))}
	for _, change := range changes {
		change(app)
	}
	return newClient(t, forge.GitHub, address, func(c *forge.Config) {
		c.Token, c.App = "", app
		c.Now = func() time.Time { return w.now }
	})
}

func TestAnAppSignsInOnceForAnHour(t *testing.T) {
	world, server := newAppWorld(t)
	client := world.client(t, server.URL)
	status := "GET /repos/acme/infra/commits/" + commit + "/status"
	grant := "POST /app/installations/77/access_tokens"
	for _, step := range []struct {
		later time.Duration
		want  []string
	}{
		{0, []string{"GET /repos/acme/infra/installation", grant, status}},
		{54 * time.Minute, []string{status}},
		{55 * time.Minute, []string{grant, status}}, // five minutes before its end
	} {
		world.mu.Lock()
		world.asked, world.now = nil, now.Add(step.later)
		world.mu.Unlock()
		if err := client.Status(t.Context(), deployed()); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(world.asked, step.want) {
			t.Errorf("after %s: got %q, want %q", step.later, world.asked, step.want)
		}
	}
}

func TestAnInstallationThatIsSetIsNotLookedUp(t *testing.T) {
	world, server := newAppWorld(t)
	client := world.client(t, server.URL, func(a *forge.App) {
		a.Installation = 77
		pkcs8, err := x509.MarshalPKCS8PrivateKey(world.key)
		if err != nil {
			t.Fatal(err)
		}
		a.Key = forge.Secret(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
	})
	if err := client.Status(t.Context(), deployed()); err != nil {
		t.Fatal(err)
	}
	if world.asked[0] != "POST /app/installations/77/access_tokens" {
		t.Errorf("got %q", world.asked)
	}
}

func TestATokenThatIsWithdrawnIsReplacedTheNextTime(t *testing.T) {
	world, server := newAppWorld(t)
	client := world.client(t, server.URL)
	world.valid = false
	err := client.Status(t.Context(), deployed())
	if !errors.Is(err, forge.ErrAuth) || strings.Contains(err.Error(), "ghs_") {
		t.Errorf("got %v, want ErrAuth without the token", err)
	}
	world.mu.Lock()
	world.valid = true
	world.mu.Unlock()
	if err := client.Status(t.Context(), deployed()); err != nil || world.tokens != 2 {
		t.Errorf("got %v after %d tokens, want none after 2", err, world.tokens)
	}
}

func TestAnAppThatIsNotInstalledSaysSo(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	world, _ := newAppWorld(t)
	err := world.client(t, server.URL).Status(t.Context(), deployed())
	if !errors.Is(err, forge.ErrRefused) || !strings.Contains(err.Error(), "the App to be installed") {
		t.Errorf("got %v", err)
	}
}

func TestWaitingForATokenEndsWithItsContext(t *testing.T) {
	world, server := newAppWorld(t)
	client := world.client(t, server.URL)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := client.Status(ctx, deployed()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestSecretsPrintAsNothing(t *testing.T) {
	config := forge.Config{Token: token, App: &forge.App{Key: token}}
	encoded, err := json.Marshal(config.App)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		fmt.Sprint(config.Token), fmt.Sprintf("%+v %#v %q", config.Token, config.Token, config.Token),
		fmt.Sprintf("%v %+v %#v", *config.App, *config.App, *config.App), fmt.Sprintf("%v %+v", config, config), string(encoded),
	} {
		if strings.Contains(text, token) {
			t.Errorf("the secret is in %s", text)
		}
	}
}
