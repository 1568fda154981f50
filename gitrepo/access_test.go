package gitrepo_test

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gitsync/gitsync/gitrepo"
	hostssh "github.com/gitsync/gitsync/host/ssh"
	"github.com/gitsync/gitsync/internal/gittest"
)

// forge is a server that lets in one user with one token, and remembers who came.
type forge struct {
	*httptest.Server
	repo string

	mu          sync.Mutex
	user, token string
	seen        []string
}

func newForge(t *testing.T, user, token string) *forge {
	t.Helper()
	repo := gittest.NewRepo(t)
	repo.Commit("main", map[string]string{"hosts/web1/containers.yaml": "one"}, "first")
	backend := gittest.ServeHTTP(t, repo, gittest.HTTPOptions{})
	f := &forge{user: user, token: token, repo: filepath.Base(repo.Dir)}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, p, _ := r.BasicAuth()
		f.mu.Lock()
		f.seen = append(f.seen, u+":"+p)
		allowed := u == f.user && p == f.token
		f.mu.Unlock()
		if !allowed {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

// address is that of the repo, with what is given in the place of the user.
func (f *forge) address(userinfo string) string {
	return strings.Replace(f.URL, "://", "://"+userinfo, 1) + "/" + f.repo
}

func (f *forge) rotate(token string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.token = token
}

func (f *forge) last() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen[len(f.seen)-1]
}

func tokenFile(t *testing.T, token string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "token")
	writeFile(t, name, token)
	return name
}

func writeFile(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTheTokenOptionAndTheUserOfTheURLGoTogether(t *testing.T) {
	f := newForge(t, "", "")
	file := tokenFile(t, "\xef\xbb\xbffile\n")
	for name, c := range map[string]struct {
		userinfo string
		auth     gitrepo.Auth
		want     string
	}{
		"nothing":                           {"", gitrepo.Auth{}, ":"},
		"user in the URL, token file":       {"kim@", gitrepo.Auth{PasswordFile: file}, "kim:file"},
		"empty password, token file":        {"kim:@", gitrepo.Auth{PasswordFile: file}, "kim:file"},
		"user in the URL, token":            {"kim@", gitrepo.Auth{Password: "env"}, "kim:env"},
		"password in the URL, token":        {"kim:url@", gitrepo.Auth{Password: "env"}, "kim:env"},
		"password in the URL, token file":   {"kim:url@", gitrepo.Auth{PasswordFile: file}, "kim:file"},
		"token and token file":              {"", gitrepo.Auth{Password: "env", PasswordFile: file}, "git:file"},
		"user option, user in the URL":      {"kim@", gitrepo.Auth{Username: "robot", Password: "env"}, "robot:env"},
		"user option, password in the URL":  {"kim:url@", gitrepo.Auth{Username: "robot"}, "robot:url"},
		"user and password in the URL":      {"kim:url@", gitrepo.Auth{}, "kim:url"},
		"a token alone":                     {"", gitrepo.Auth{Password: "env"}, "git:env"},
		"a token in the place of the user":  {"ghp_t0k@", gitrepo.Auth{}, "ghp_t0k:"},
		"a password in the URL and no user": {":url@", gitrepo.Auth{}, "git:url"},
	} {
		t.Run(name, func(t *testing.T) {
			f.user, f.token, _ = strings.Cut(c.want, ":")
			if _, err := open(t, f.address(c.userinfo), c.auth).Refs(t.Context()); err != nil {
				t.Error(err)
			}
			if f.last() != c.want {
				t.Errorf("sent %q, want %q", f.last(), c.want)
			}
		})
	}
}

func TestATokenThatIsRotatedIsUsedAtOnce(t *testing.T) {
	f := newForge(t, "git", "old")
	file := tokenFile(t, "old")
	remote := open(t, f.address(""), gitrepo.Auth{PasswordFile: file})
	store := openStore(t, t.TempDir(), remote, "main")
	fetchTip(t, remote, store, "main")
	// The server is first, and then the file.
	f.rotate("new")
	if _, err := remote.Refs(t.Context()); !errors.Is(err, gitrepo.ErrAuth) || !strings.Contains(err.Error(), "rejects the token of "+file) {
		t.Errorf("got %v", err)
	}
	writeFile(t, file, "new")
	fetchTip(t, remote, store, "main")
	// A file that is written just now, or is broken for a moment.
	writeFile(t, file, "")
	fetchTip(t, remote, store, "main")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	fetchTip(t, remote, store, "main")
	writeFile(t, file, "newer")
	f.rotate("newer")
	pushTo(t, remote)
}

func pushTo(t *testing.T, remote *gitrepo.Remote) {
	t.Helper()
	state := openStore(t, t.TempDir(), remote, "gitsync/state")
	commit, err := state.Commit(t.Context(), gitrepo.CommitOptions{
		Changes: map[string][]byte{"a": []byte("1")}, Message: "Say it", Author: gitrepo.Signature{Name: "g", Email: "g@h"},
	})
	if err == nil {
		err = state.Push(t.Context(), commit, "")
	}
	if err != nil {
		t.Error(err)
	}
}

func TestATokenThatIsRefusedInTheMiddleOfASessionIsReadAgain(t *testing.T) {
	f := newForge(t, "git", "new")
	file := tokenFile(t, "old")
	remote := open(t, f.address(""), gitrepo.Auth{PasswordFile: file})
	// The times of the file hide that it changed.
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, file, "new")
	if err := os.Chtimes(file, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if _, err := remote.Refs(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestNoTokenThatWasEverUsedIsShown(t *testing.T) {
	var quoted string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, token, _ := r.BasicAuth()
		quoted += " " + token
		w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
		_, _ = fmt.Fprint(w, gittest.Line("# service=git-upload-pack\n"), "0000", gittest.Line("ERR you sent"+quoted))
	}))
	defer server.Close()
	file := tokenFile(t, "first-s3cret")
	remote := open(t, server.URL+"/x.git", gitrepo.Auth{PasswordFile: file})
	_, _ = remote.Refs(t.Context())
	writeFile(t, file, "second-s3cret")
	_, err := remote.Refs(t.Context())
	if err == nil || strings.Contains(err.Error(), "s3cret") || !strings.Contains(quoted, "second-s3cret") {
		t.Errorf("got %v after%s", err, quoted)
	}
}

func TestAuthoritiesFollowTheirFile(t *testing.T) {
	repo := gittest.NewRepo(t)
	repo.Commit("main", map[string]string{"a": "b"}, "first")
	s := gittest.ServeHTTP(t, repo, gittest.HTTPOptions{TLS: true})
	right, err := os.ReadFile(s.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	file := tokenFile(t, string(right))
	remote := open(t, s.URL, gitrepo.Auth{CAFile: file})
	if _, err := remote.Refs(t.Context()); err != nil {
		t.Fatal(err)
	}
	writeFile(t, file, strangeAuthority(t))
	_, err = remote.Refs(t.Context())
	if !errors.Is(err, gitrepo.ErrUnreachable) || !errors.Is(err, gitrepo.ErrSetup) || !strings.Contains(err.Error(), "--git-ca-file") {
		t.Errorf("got %v, want the authorities that the file holds by now", err)
	}
	writeFile(t, file, "rubbish")
	writeFile(t, file, string(right))
	if _, err := remote.Refs(t.Context()); err != nil {
		t.Error(err)
	}
}

// strangeAuthority is an authority in PEM form that signed nothing.
func strangeAuthority(t *testing.T) string {
	t.Helper()
	public, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(nil, template, template, public, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestAnswersThatAreNoneOfGitsSayWhatToDo(t *testing.T) {
	page := func(code int, kind, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(code)
			_, _ = fmt.Fprint(w, text)
		}
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		setup  bool
		says   string
	}{
		"a login page":     {page(200, "text/html; charset=utf-8", "<html>sign in"), true, "no Git server"},
		"an API":           {page(200, "application/json", "{}"), true, "no Git server"},
		"a text":           {page(200, "text/plain", "hello, this is a web server"), true, "no Git server"},
		"a failed server":  {page(500, "text/html", "<h1>oops"), false, "the remote failed (HTTP 500 Internal Server Error)"},
		"a failed gateway": {page(502, "text/html", "<h1>oops"), false, "the remote failed (HTTP 502 Bad Gateway)"},
		"too often":        {page(429, "text/html", "slow down"), false, "HTTP 429"},
		"a proxy":          {page(407, "text/html", "who are you?"), true, "HTTP 407"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(c.answer)
			defer server.Close()
			_, err := open(t, server.URL+"/x.git", gitrepo.Auth{}).Refs(t.Context())
			if !errors.Is(err, gitrepo.ErrUnreachable) || errors.Is(err, gitrepo.ErrSetup) != c.setup || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %q", err, c.says)
			}
			if err != nil && strings.Contains(err.Error(), "Get \"") {
				t.Errorf("the library's words: %v", err)
			}
		})
	}
}

func TestARedirectThatDropsTheTokenSaysSo(t *testing.T) {
	f := newForge(t, "git", "s3cret")
	home := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, strings.Replace(f.URL, "127.0.0.1", "localhost", 1)+r.URL.RequestURI(), http.StatusMovedPermanently)
	}))
	defer home.Close()
	_, err := open(t, home.URL+"/"+f.repo, gitrepo.Auth{Password: "s3cret"}).Refs(t.Context())
	if !errors.Is(err, gitrepo.ErrAuth) || !errors.Is(err, gitrepo.ErrSetup) || !strings.Contains(err.Error(), "redirects to http://localhost") {
		t.Errorf("got %v", err)
	}
}

// serveProxy is an HTTP proxy that asks everybody who they are.
func serveProxy(t *testing.T) (proxy *httptest.Server, asked func() int64) {
	t.Helper()
	var count atomic.Int64
	proxy = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		count.Add(1)
		http.Error(w, "who are you?", http.StatusProxyAuthRequired)
	}))
	t.Cleanup(proxy.Close)
	return proxy, count.Load
}

func TestTheProxiesOfTheEnvironmentAreUsed(t *testing.T) {
	for _, variable := range []string{"HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"} {
		t.Run(variable, func(t *testing.T) {
			noProxies(t)
			proxy, asked := serveProxy(t)
			t.Setenv(variable, proxy.URL)
			_, err := open(t, "http://forge.invalid/x.git", gitrepo.Auth{}).Refs(t.Context())
			if asked() == 0 || !errors.Is(err, gitrepo.ErrSetup) || !strings.Contains(err.Error(), "HTTP 407") {
				t.Errorf("asked %d times, %v", asked(), err)
			}
		})
	}
	t.Run("https", func(t *testing.T) {
		noProxies(t)
		proxy, asked := serveProxy(t)
		t.Setenv("HTTPS_PROXY", proxy.URL)
		_, err := open(t, "https://forge.invalid/x.git", gitrepo.Auth{}).Refs(t.Context())
		if asked() == 0 || !errors.Is(err, gitrepo.ErrSetup) || !strings.Contains(err.Error(), "HTTP 407") {
			t.Errorf("asked %d times, %v", asked(), err)
		}
	})
	t.Run("NO_PROXY", func(t *testing.T) {
		noProxies(t)
		proxy, asked := serveProxy(t)
		t.Setenv("ALL_PROXY", proxy.URL)
		t.Setenv("NO_PROXY", "forge.invalid")
		_, err := open(t, "http://forge.invalid/x.git", gitrepo.Auth{}).Refs(t.Context())
		if asked() != 0 || !errors.Is(err, gitrepo.ErrUnreachable) {
			t.Errorf("asked %d times, %v", asked(), err)
		}
	})
}

func noProxies(t *testing.T) {
	t.Helper()
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"} {
		t.Setenv(name, "")
		t.Setenv(strings.ToLower(name), "")
	}
}

func TestWhatTimeDoesNotHealIsForAPerson(t *testing.T) {
	repo := gittest.NewRepo(t)
	loop := filepath.Join(t.TempDir(), "config")
	writeFile(t, loop, "Include "+loop+"\n")
	sha256 := t.TempDir()
	repo.Git("init", "-q", "-b", "main", "--object-format=sha256", sha256)
	repo.Git("-C", sha256, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "first")
	for name, c := range map[string]struct {
		address string
		auth    gitrepo.Auth
		says    string
	}{
		"an Include that leads to itself": {"ssh://git@127.0.0.1:1/x", gitrepo.Auth{SSH: hostssh.Options{ConfigFile: loop}}, loop},
		"a directory of another user's":   {repo.Dir, gitrepo.Auth{}, "safe.directory '" + repo.Dir + "'"},
		"SHA-256 object names":            {sha256, gitrepo.Auth{}, "SHA-256"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.address == repo.Dir {
				noGitConfig(t)
				t.Setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
			}
			_, err := open(t, c.address, c.auth).Refs(t.Context())
			if !errors.Is(err, gitrepo.ErrSetup) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want ErrSetup that says %q", err, c.says)
			}
		})
	}
}

// noGitConfig keeps the machine's own settings from what git decides.
func noGitConfig(t *testing.T) {
	t.Helper()
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
}

func TestAnInterruptedRequestIsNoFault(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { cancel(); <-ctx.Done() }))
	defer server.Close()
	_, err := open(t, server.URL+"/x.git", gitrepo.Auth{}).Refs(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
