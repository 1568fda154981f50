package gitrepo_test

import (
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gitsync/gitsync/gitrepo"
	hostssh "github.com/gitsync/gitsync/host/ssh"
	"github.com/gitsync/gitsync/internal/sshdtest"
)

// Who is on the way must not talk gitsync into a connection that they can read.
func TestARedirectFromHTTPSToHTTPIsRefused(t *testing.T) {
	var reached atomic.Int64
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer plain.Close()
	safe := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, plain.URL+r.URL.RequestURI(), http.StatusFound)
	}))
	defer safe.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: safe.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := open(t, safe.URL+"/x.git", gitrepo.Auth{Username: "git", Password: "s3cret", CAFile: ca}).Refs(t.Context())
	if err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v, want an error without the password", err)
	}
	if reached.Load() > 0 {
		t.Errorf("the plain address was asked %d times", reached.Load())
	}
}

// What no SSH server says is an error that names the server, whatever it is.
func TestAnSSHServerThatSpeaksRubbishIsAnError(t *testing.T) {
	key := sshdtest.Serve(t)
	for name, answer := range map[string]string{
		"HTML":            "HTTP/1.1 200 OK\r\n\r\n<html>\x1b[2J</html>",
		"a banner alone":  "SSH-2.0-x\r\n",
		"lines that last": strings.Repeat("hello\r\n", 1<<15),
		"binary":          "SSH-2.0-x\r\n" + strings.Repeat("\xff", 1<<16),
		"nothing":         "",
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = listener.Close() }()
			go func() {
				for {
					conn, err := listener.Accept()
					if err != nil {
						return
					}
					_, _ = conn.Write([]byte(answer))
					_ = conn.Close()
				}
			}()
			address := listener.Addr().String()
			auth := gitrepo.Auth{SSH: hostssh.Options{KeyFile: key.KeyFile, KnownHostsFile: key.KnownHostsFile, TrustOnFirstUse: true}}
			_, err = open(t, "ssh://git@"+address+"/x.git", auth).Refs(t.Context())
			if err == nil || !strings.Contains(err.Error(), address) || strings.Contains(err.Error(), "\x1b") {
				t.Errorf("got %q, want an error that names %s, and steers no terminal", err, address)
			}
		})
	}
}
