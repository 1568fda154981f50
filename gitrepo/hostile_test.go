package gitrepo_test

import (
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	xssh "golang.org/x/crypto/ssh"

	"github.com/gitsync/gitsync/gitrepo"
	hostssh "github.com/gitsync/gitsync/host/ssh"
	"github.com/gitsync/gitsync/internal/gittest"
)

// A redirect to another host must not carry the credentials along: neither in the
// request that follows it, nor in those after that.
func TestARedirectToAnotherHostGetsNoCredentials(t *testing.T) {
	repo := gittest.NewRepo(t)
	tip := repo.Commit("main", map[string]string{"a": "1"}, "first")
	backend, err := url.Parse(gittest.ServeHTTP(t, repo, gittest.HTTPOptions{}).URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: backend.Host})
	var reached atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached.Add(1)
		if r.Header.Get("Authorization") != "" {
			t.Errorf("%s %s got the credentials", r.Method, r.URL.Path)
		}
		proxy.ServeHTTP(w, r)
	}))
	defer other.Close()
	_, port, err := net.SplitHostPort(other.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	home := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://localhost:"+port+r.URL.RequestURI(), http.StatusFound)
	}))
	defer home.Close()
	remote := open(t, home.URL+backend.Path, gitrepo.Auth{Username: "git", Password: "s3cret"})
	for range 2 {
		if _, err := remote.Refs(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := openStore(t, "", remote, "main").Fetch(t.Context(), gitrepo.Hash(tip)); err != nil {
		t.Fatal(err)
	}
	if reached.Load() < 4 {
		t.Errorf("the other host was asked %d times", reached.Load())
	}
}

// What is pushed stays with the server that was named: a redirect to another one gets nothing,
// with or without credentials.
func TestAPushFollowsNoRedirectToAnotherServer(t *testing.T) {
	login := gitrepo.Auth{Username: "git", Password: "s3cret"}
	same := func(uri string) string { return uri }
	path := func(uri string) string { path, _, _ := strings.Cut(uri, "?"); return path }
	for name, c := range map[string]struct {
		auth gitrepo.Auth
		// to is where the redirect leads, at the other server.
		to func(uri string) string
	}{
		"with credentials":     {login, same},
		"without":              {gitrepo.Auth{}, same},
		"to a disguised path":  {gitrepo.Auth{}, func(uri string) string { return strings.Replace(path(uri), "/info/refs", "%3F/info/refs", 1) }},
		"to one with no query": {login, path},
	} {
		t.Run(name, func(t *testing.T) {
			repo := gittest.NewRepo(t)
			tip := repo.Commit("main", map[string]string{"a": "1"}, "first")
			backend, err := url.Parse(gittest.ServeHTTP(t, repo, gittest.HTTPOptions{}).URL)
			if err != nil {
				t.Fatal(err)
			}
			proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: backend.Host})
			var pushes atomic.Int64
			other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !strings.Contains(r.URL.RequestURI(), "upload-pack") {
					pushes.Add(1)
				}
				proxy.ServeHTTP(w, r)
			}))
			defer other.Close()
			home := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				uri := r.URL.RequestURI()
				if !strings.Contains(uri, "upload-pack") {
					uri = c.to(uri)
				}
				http.Redirect(w, r, strings.Replace(other.URL, "127.0.0.1", "localhost", 1)+uri, http.StatusTemporaryRedirect)
			}))
			defer home.Close()
			store := openStore(t, "", open(t, home.URL+backend.Path, c.auth), "main")
			commit, err := store.Fetch(t.Context(), gitrepo.Hash(tip))
			if err != nil {
				t.Fatal(err)
			}
			next, err := store.Commit(t.Context(), gitrepo.CommitOptions{
				Parent: commit.Hash, Changes: map[string][]byte{"b": []byte("2")}, Message: "second\n", Author: gitrepo.Signature{Name: "g", Email: "g@example.com"},
			})
			if err != nil {
				t.Fatal(err)
			}
			err = store.Push(t.Context(), next, commit.Hash)
			if !errors.Is(err, gitrepo.ErrPushRefused) || !errors.Is(err, gitrepo.ErrSetup) || !strings.Contains(err.Error(), "--repo") {
				t.Errorf("%v", err)
			}
			if pushes.Load() > 0 || repo.Hash("main") != tip {
				t.Errorf("the other server was asked %d times", pushes.Load())
			}
		})
	}
}

// An SSH server that lets us in and then says nothing must not hold us.
func TestASilentSSHServerIsLeftInTime(t *testing.T) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := xssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	block, err := xssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	listener := serveSilentSSH(t, signer)
	auth := gitrepo.Auth{SSH: hostssh.Options{KeyFile: filepath.Join(dir, "key"), KnownHostsFile: filepath.Join(dir, "known_hosts")}}
	known := fmt.Appendf(nil, "[127.0.0.1]:%d %s", listener.Addr().(*net.TCPAddr).Port, xssh.MarshalAuthorizedKey(signer.PublicKey()))
	if err := errors.Join(os.WriteFile(auth.SSH.KeyFile, pem.EncodeToMemory(block), 0o600), os.WriteFile(auth.SSH.KnownHostsFile, known, 0o600)); err != nil {
		t.Fatal(err)
	}
	wantLeftInTime(t, open(t, "ssh://git@"+listener.Addr().String()+"/x.git", auth))
}

// serveSilentSSH lets everybody in, and answers nothing after that.
func serveSilentSSH(t *testing.T, hostKey xssh.Signer) net.Listener {
	t.Helper()
	config := &xssh.ServerConfig{NoClientAuth: true}
	config.AddHostKey(hostKey)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if _, _, requests, err := xssh.NewServerConn(conn, config); err == nil {
				go xssh.DiscardRequests(requests)
			}
		}
	}()
	return listener
}

// Whoever has too many tags can remove some: that says nothing about the commit.
func TestTooManyReferencesAreNoFaultOfTheCommit(t *testing.T) {
	t.Parallel()
	_, tip := good()
	refs := []string{tip + " refs/heads/main"}
	for i := range 60_000 {
		refs = append(refs, fmt.Sprintf("%s refs/tags/v%0150d", tip, i))
	}
	address := gittest.ServeAnswers(t, gittest.Answers{Advertisement: gittest.Says(gittest.Advertise(refs...))})
	store := openStore(t, "", open(t, address, gitrepo.Auth{}), "main")
	_, err := store.Inspect(t.Context(), gitrepo.Hash(tip), gitrepo.InspectOptions{Tags: "v*"})
	if !errors.Is(err, gitrepo.ErrTooLarge) || gitrepo.Faulty(err) {
		t.Errorf("got %v, the commit's fault: %t", err, gitrepo.Faulty(err))
	}
}
