package docker_test

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/gitsync/gitsync/internal/dockertest"
	"github.com/gitsync/gitsync/runtime"
)

// serveRegistry runs a real registry on loopback, which the engine trusts without
// TLS, and returns its address.
func serveRegistry(t *testing.T, wrap ...func(http.Handler) http.Handler) string {
	t.Helper()
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	for _, w := range wrap {
		handler = w(handler)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// push puts an image of random bytes into a registry.
func push(t *testing.T, ref string) {
	t.Helper()
	image, err := random.Image(256<<10, 2)
	if err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag(ref, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	if err := remote.Write(tag, image, remote.WithTransport(transport)); err != nil {
		t.Fatal(err)
	}
}

func TestPullFetchesAnImageAndTellsHowFarItIs(t *testing.T) {
	engine := dockertest.Require(t)
	ref := serveRegistry(t) + "/" + dockertest.Name("pull") + ":1"
	push(t, ref)
	t.Cleanup(func() {
		if err := engine.RemoveImage(context.Background(), ref); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	var last runtime.PullProgress
	if err := engine.Pull(t.Context(), ref, func(p runtime.PullProgress) { last = p }); err != nil {
		t.Fatal(err)
	}
	if last.Image != ref || last.Done != last.Total {
		t.Errorf("last progress %+v, want all of %s", last, ref)
	}
	if has, err := engine.HasImage(t.Context(), ref); !has || err != nil {
		t.Errorf("image is there: %v, %v", has, err)
	}
}

func TestAnErrorInsideThePullStreamIsReturned(t *testing.T) {
	engine := dockertest.Require(t)
	ref := serveRegistry(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "/blobs/") && r.Method == http.MethodGet {
				http.Error(w, "the disk of the registry is on fire", http.StatusBadRequest)
				return
			}
			next.ServeHTTP(w, r)
		})
	}) + "/" + dockertest.Name("broken") + ":1"
	push(t, ref)
	if err := engine.Pull(t.Context(), ref, nil); err == nil {
		t.Error("pull from a broken registry worked")
	}
	if has, err := engine.HasImage(t.Context(), ref); has || err != nil {
		t.Errorf("image is there: %v, %v", has, err)
	}
}
