package registry_test

import (
	"fmt"
	"io"
	"net/http"
	goruntime "runtime"
	"strings"
	"testing"
	"time"

	"github.com/gitsync/gitsync/internal/registrytest"
	"github.com/gitsync/gitsync/registry"
)

// hostile serves whatever the test wants, in place of a registry, and a client that has a
// credential for it. An answer without end to a question without content would be no test:
// no byte of it is sent.
func hostile(t *testing.T, headToo bool, answer func(w http.ResponseWriter, r *http.Request, self string)) (*registrytest.Server, *registry.Client) {
	t.Helper()
	var server *registrytest.Server
	server = registrytest.Serve(t, registrytest.Options{Wrap: func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodHead && !headToo {
				w.WriteHeader(http.StatusMethodNotAllowed)
				return
			}
			answer(w, r, server.Address)
		})
	}})
	client := newClient(t, server.Address, "ci", "hunter2")
	client.Timeout = 3 * time.Second
	return server, client
}

const manifestType = "application/vnd.docker.distribution.manifest.v2+json"

func isManifest(r *http.Request) bool { return strings.Contains(r.URL.Path, "/manifests/") }

func challenge(w http.ResponseWriter, header string) {
	w.Header().Set("WWW-Authenticate", header)
	w.WriteHeader(http.StatusUnauthorized)
}

// endless sends a text until nobody listens any more.
func endless(w io.Writer, r *http.Request, chunk string) {
	for r.Context().Err() == nil {
		if _, err := io.WriteString(w, chunk); err != nil {
			return
		}
	}
}

// hostileAnswers are what a registry may answer, and what is said of it.
var hostileAnswers = map[string]struct {
	answer func(w http.ResponseWriter, r *http.Request, self string)
	want   string
}{
	"an endless manifest": {func(w http.ResponseWriter, r *http.Request, _ string) {
		if isManifest(r) {
			w.Header().Set("Content-Type", manifestType)
			endless(w, r, strings.Repeat("x", 1<<16))
		}
	}, "more than 4194304 bytes"},
	"an endless error": {func(w http.ResponseWriter, r *http.Request, _ string) {
		if isManifest(r) {
			w.WriteHeader(http.StatusNotFound)
			endless(w, r, `{"errors":[{"code":"DENIED","message":"`)
		}
	}, ""},
	"an endless greeting": {func(w http.ResponseWriter, r *http.Request, _ string) {
		w.WriteHeader(http.StatusForbidden)
		endless(w, r, strings.Repeat("x", 1<<16))
	}, ""},
	"an endless token": {func(w http.ResponseWriter, r *http.Request, self string) {
		if r.URL.Path == "/token" {
			endless(w, r, `{"token":"`)
		}
		challenge(w, fmt.Sprintf(`Bearer realm="http://%s/token"`, self))
	}, ""},
	"a huge header": {func(w http.ResponseWriter, _ *http.Request, _ string) {
		w.Header().Set("Docker-Content-Digest", strings.Repeat("x", 1<<20))
	}, ""},
	"a slow drip": {func(w http.ResponseWriter, r *http.Request, _ string) {
		if isManifest(r) {
			drip(w, r)
		}
	}, "did not answer in time"},
	"silence": {func(_ http.ResponseWriter, r *http.Request, _ string) { <-r.Context().Done() }, "did not answer in time"},
	"401 for ever": {func(w http.ResponseWriter, r *http.Request, self string) {
		if r.URL.Path == "/token" {
			_, _ = io.WriteString(w, `{"token":"of-no-use"}`)
			return
		}
		challenge(w, fmt.Sprintf(`Bearer realm="http://%s/token",scope="%s"`, self, r.URL.Path))
	}, ""},
	"401 of the token service": {func(w http.ResponseWriter, _ *http.Request, self string) {
		challenge(w, fmt.Sprintf(`Bearer realm="http://%s/token"`, self))
	}, ""},
	"500 for ever": {func(w http.ResponseWriter, _ *http.Request, _ string) { w.WriteHeader(http.StatusInternalServerError) }, ""},
	"redirects in a circle": {func(w http.ResponseWriter, r *http.Request, _ string) {
		http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
	}, ""},
	"no token": {func(w http.ResponseWriter, r *http.Request, self string) {
		if r.URL.Path == "/token" {
			_, _ = io.WriteString(w, `{"refresh_token":"s3cret-of-somebody"}`)
			return
		}
		challenge(w, fmt.Sprintf(`Bearer realm="http://%s/token"`, self))
	}, "gave no token"},
	"a wrong digest": {func(w http.ResponseWriter, r *http.Request, _ string) {
		if isManifest(r) {
			w.Header().Set("Content-Type", manifestType)
			w.Header().Set("Docker-Content-Digest", "sha256:../../etc/passwd  # x")
			w.Header().Set("Content-Length", "2")
			if r.Method == http.MethodGet {
				w.WriteHeader(http.StatusGone)
			}
		}
	}, ""},
	"another kind of digest": {func(w http.ResponseWriter, r *http.Request, _ string) {
		if isManifest(r) {
			w.Header().Set("Content-Type", manifestType)
			w.Header().Set("Docker-Content-Digest", "sha512:"+strings.Repeat("a", 128))
			if r.Method == http.MethodGet {
				w.WriteHeader(http.StatusGone)
			}
		}
	}, ""},
	"no image": {func(w http.ResponseWriter, r *http.Request, _ string) {
		if isManifest(r) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html>log in to the hotel's network</html>")
		}
	}, "no image"},
	"what it was sent, and escapes": {func(w http.ResponseWriter, r *http.Request, _ string) {
		if !isManifest(r) {
			challenge(w, `Basic realm="x"`)
			return
		}
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprintf(w, `{"errors":[{"code":"DENIED","message":"\u001b[2J %s hunter2"}]}`, r.Header.Get("Authorization"))
	}, "DENIED"},
}

// TestAHostileRegistryIsAnErrorThatEndsSoon also bounds what is read: each answer that has
// no end is cut off by the client, which the handler notices.
func TestAHostileRegistryIsAnErrorThatEndsSoon(t *testing.T) {
	for name, c := range hostileAnswers {
		t.Run(name, func(t *testing.T) {
			server, client := hostile(t, strings.HasSuffix(name, "digest"), c.answer)
			var before, after goruntime.MemStats
			goruntime.ReadMemStats(&before)
			got, err := client.Digest(t.Context(), server.Address+"/app:1")
			goruntime.ReadMemStats(&after)
			if err == nil || got != "" {
				t.Fatalf("got %q, %v, want an error", got, err)
			}
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), server.Address) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			text := err.Error()
			if len(text) > 5000 || strings.ContainsAny(text, "\x1b\n") || strings.Contains(text, "hunter2") || strings.Contains(text, "Y2k6aHVudGVyMg") || strings.Contains(text, "s3cret") {
				t.Errorf("the error is %.300q", text)
			}
			if n := len(server.Requests()); n > 24 {
				t.Errorf("it was asked %d times", n)
			}
			if grown := int64(after.TotalAlloc - before.TotalAlloc); grown > 64<<20 {
				t.Errorf("it took %d MiB", grown>>20)
			}
		})
	}
}

// drip sends a byte now and then until nobody listens any more.
func drip(w http.ResponseWriter, r *http.Request) {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	w.Header().Set("Content-Type", manifestType)
	for {
		select {
		case <-r.Context().Done():
			return
		case <-ticker.C:
			_, _ = io.WriteString(w, " ")
			_ = http.NewResponseController(w).Flush()
		}
	}
}

func TestATokenServiceIsAtAPublicPlaceOrAtTheRegistry(t *testing.T) {
	victim := registrytest.Serve(t, registrytest.Options{})
	for _, realm := range []string{
		"http://169.254.169.254/latest/meta-data/", "https://169.254.169.254/", "https://[fd00:ec2::254]/", "file:///etc/passwd",
		"gopher://example.com/", "http://example.invalid/token", "https://10.0.0.1/token", "http://" + victim.Address + "/token", "//x", "", "%zz", "https://",
	} {
		t.Run(realm, func(t *testing.T) {
			server, client := hostile(t, true, func(w http.ResponseWriter, _ *http.Request, _ string) {
				challenge(w, fmt.Sprintf("Bearer realm=%q", realm))
			})
			if got, err := client.Digest(t.Context(), server.Address+"/app:1"); err == nil {
				t.Errorf("got %q", got)
			}
		})
	}
	if seen := victim.Requests(); len(seen) > 0 {
		t.Errorf("another service of this machine was asked: %v", seen)
	}
}

func TestARedirectCarriesNoCredential(t *testing.T) {
	other := registrytest.Serve(t, registrytest.Options{Username: "somebody", Password: "else"})
	other.Push(t, "app:1")
	for name, redirects := range map[string]func(r *http.Request) bool{
		"of the first question": func(r *http.Request) bool { return r.URL.Path == "/v2/" },
		"of the token":          func(r *http.Request) bool { return r.URL.Path == "/token" },
		"of the manifest":       isManifest,
	} {
		for _, status := range []int{http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
			for _, identity := range []bool{false, true} {
				t.Run(fmt.Sprint(name, status, identity), func(t *testing.T) {
					other.Forget()
					server, client := hostile(t, true, func(w http.ResponseWriter, r *http.Request, self string) {
						switch {
						case redirects(r):
							http.Redirect(w, r, "http://"+other.Address+r.URL.Path, status)
						case r.URL.Path == "/token":
							_, _ = io.WriteString(w, `{"token":"a-token"}`)
						default:
							challenge(w, fmt.Sprintf(`Bearer realm="http://%s/token"`, self))
						}
					})
					if identity {
						token := registry.Credential{IdentityToken: "hunter2"}
						client.Credentials = registry.Logins{}.Over("", nil, fixed(token))
					}
					_, _ = client.Digest(t.Context(), server.Address+"/app:1")
					checkNothingShown(t, other)
					for _, r := range other.Requests() {
						if r.Method == http.MethodPost {
							t.Errorf("the identity token went to the other host: %v", r)
						}
					}
				})
			}
		}
	}
}
