package registry_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/gitsync/gitsync/internal/registrytest"
	"github.com/gitsync/gitsync/registry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newClient returns a client that has a credential for one registry.
func newClient(t *testing.T, address, username, password string) *registry.Client {
	t.Helper()
	client := registry.NewClient(func(_ context.Context, name string) (registry.Credential, error) {
		if name == address {
			return registry.Credential{Username: username, Password: password}, nil
		}
		return registry.Credential{}, nil
	})
	t.Cleanup(client.Close)
	return client
}

func TestATagStandsForADigest(t *testing.T) {
	const password = "hunter2"
	var pushed atomic.Bool
	for name, opts := range map[string]registrytest.Options{
		"open":  {},
		"basic": {Username: "ci", Password: password},
		"token": {Username: "ci", Password: password, Token: true},
		"one that tells no digest without the content": {Wrap: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if pushed.Load() && r.Method == http.MethodHead && strings.Contains(r.URL.Path, "/manifests/") {
					w.WriteHeader(http.StatusMethodNotAllowed)
					return
				}
				next.ServeHTTP(w, r)
			})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			server := registrytest.Serve(t, opts)
			image, index := server.Push(t, "team/app:1"), server.PushIndex(t, "team/multi:1")
			server.Forget()
			pushed.Store(true)
			defer pushed.Store(false)
			client := newClient(t, server.Address, opts.Username, opts.Password)
			for ref, want := range map[string]string{
				"/team/app:1": image, "/team/multi:1": index,
				// What was pinned before plays no role.
				"/team/app:1@sha256:" + strings.Repeat("a", 64): image,
			} {
				if got, err := client.Digest(t.Context(), server.Address+ref); err != nil || got != want {
					t.Errorf("%s: %s, %v, want %s", ref, got, err, want)
				}
			}
			if n := len(server.Requests()); opts.Wrap == nil && n > 18 {
				t.Errorf("it took %d requests", n)
			}
		})
	}
}

func TestNoImageIsAnErrorThatSaysWhatToDo(t *testing.T) {
	server := registrytest.Serve(t, registrytest.Options{})
	private := registrytest.Serve(t, registrytest.Options{Username: "ci", Password: "hunter2"})
	for ref, want := range map[string]string{
		server.Address + "/team/app:1":  "check its name and tag",
		private.Address + "/team/app:1": "docker login",
	} {
		_, err := newClient(t, private.Address, "ci", "wr0ng-one").Digest(t.Context(), ref)
		if !errors.Is(err, registry.ErrNoImage) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "team/app:1") {
			t.Errorf("%s: %v", ref, err)
		}
		if err != nil && strings.Contains(err.Error(), "wr0ng") {
			t.Errorf("the password is in %v", err)
		}
	}
	client := registry.NewClient(func(context.Context, string) (registry.Credential, error) {
		return registry.Credential{}, errors.New("the helper is gone")
	})
	t.Cleanup(client.Close)
	if _, err := client.Digest(t.Context(), server.Address+"/x:1"); err == nil || !strings.Contains(err.Error(), "the helper is gone") {
		t.Errorf("without credentials to be had: %v", err)
	}
	if _, err := client.Digest(t.Context(), "No Image"); err == nil {
		t.Error("no reference passes")
	}
}

func TestTheCredentialIsShownToItsRegistryAlone(t *testing.T) {
	private := registrytest.Serve(t, registrytest.Options{Username: "ci", Password: "hunter2"})
	curious := registrytest.Serve(t, registrytest.Options{Username: "somebody", Password: "else"})
	private.Push(t, "app:1")
	curious.Push(t, "app:1")
	curious.Forget()
	client := newClient(t, private.Address, "ci", "hunter2")
	if _, err := client.Digest(t.Context(), private.Address+"/app:1"); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Digest(t.Context(), curious.Address+"/app:1"); err == nil {
		t.Error("the other registry let us in")
	}
	checkNothingShown(t, curious)
}

func checkNothingShown(t *testing.T, server *registrytest.Server) {
	t.Helper()
	for _, r := range server.Requests() {
		if r.Authorization != "" {
			t.Errorf("%s %s came with %s", r.Method, r.Path, r.Authorization)
		}
	}
}

func TestOnlyThisMachineIsSpokenToWithoutTLS(t *testing.T) {
	client := registry.NewClient(nil)
	t.Cleanup(client.Close)
	// Nothing answers there: what matters is that HTTP is not tried.
	for _, address := range []string{"10.255.255.1:1", "192.168.255.255:1"} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := client.Digest(ctx, address+"/app:1")
		if err == nil {
			t.Errorf("%s answered", address)
		}
	}
	if _, err := client.Digest(t.Context(), "169.254.169.254/app:1"); err == nil || !strings.Contains(err.Error(), "link-local") {
		t.Errorf("the metadata service was asked: %v", err)
	}
}

// fixed gives one credential to every registry.
func fixed(c registry.Credential) registry.Credentials {
	return func(context.Context, string) (registry.Credential, error) { return c, nil }
}
