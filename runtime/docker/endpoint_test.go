package docker_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	stdsync "sync"
	"testing"
	"time"

	"github.com/gitsync/gitsync/internal/dockertest"
	"github.com/gitsync/gitsync/runtime/docker"
	"github.com/gitsync/gitsync/runtime/runtimetest"
)

// cleanEnv keeps the settings of who runs the tests out of them.
func cleanEnv(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "DOCKER_API_VERSION"} {
		t.Setenv(name, "")
	}
	dir := t.TempDir()
	t.Setenv("DOCKER_CONFIG", dir)
	return dir
}

// writeContext writes a context as docker context create does.
func writeContext(t *testing.T, dir, name, address, certs string) {
	t.Helper()
	sum := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(sum[:])
	write(t, filepath.Join(dir, "contexts", "meta", id, "meta.json"),
		fmt.Sprintf(`{"Name":%q,"Metadata":{},"Endpoints":{"docker":{"Host":%q,"SkipTLSVerify":false}}}`, name, address))
	if certs != "" {
		if err := os.CopyFS(filepath.Join(dir, "contexts", "tls", id, "docker"), os.DirFS(certs)); err != nil {
			t.Fatal(err)
		}
	}
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTheEngineIsFoundAsDockersCLIFindsIt(t *testing.T) {
	for name, tt := range map[string]struct {
		config  docker.Config
		env     map[string]string
		current string
		want    string
	}{
		"nothing is set":                {want: "unix:///var/run/docker.sock"},
		"the current context":           {current: "one", want: "tcp://one:2375"},
		"the default context":           {current: "default", want: "unix:///var/run/docker.sock"},
		"DOCKER_CONTEXT goes before it": {current: "one", env: map[string]string{"DOCKER_CONTEXT": "two"}, want: "tcp://two:2375"},
		"DOCKER_HOST goes before that":  {current: "one", env: map[string]string{"DOCKER_CONTEXT": "two", "DOCKER_HOST": "tcp://env:1"}, want: "tcp://env:1"},
		"the repo's context goes first": {config: docker.Config{Context: "two"}, env: map[string]string{"DOCKER_HOST": "tcp://env:1"}, want: "tcp://two:2375"},
		"and so does its address":       {config: docker.Config{Host: "tcp://repo:1"}, current: "one", env: map[string]string{"DOCKER_HOST": "tcp://env:1"}, want: "tcp://repo:1"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := cleanEnv(t)
			writeContext(t, dir, "one", "tcp://one:2375", "")
			writeContext(t, dir, "two", "tcp://two:2375", "")
			if tt.current != "" {
				write(t, filepath.Join(dir, "config.json"), fmt.Sprintf(`{"currentContext":%q}`, tt.current))
			}
			for key, value := range tt.env {
				t.Setenv(key, value)
			}
			if got := tt.config.GetAddress(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	t.Run("a context that is not there is an error that names it", func(t *testing.T) {
		cleanEnv(t)
		_, err := (&docker.Config{Context: "nine"}).New()
		if !errors.Is(err, docker.ErrContext) || !strings.Contains(err.Error(), `"nine"`) {
			t.Errorf("got %v, want ErrContext and the name", err)
		}
	})
}

// authority signs the certificates of a test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	a.cert = &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	a.key, _ = a.sign(a.cert, nil)
	return a
}

// sign makes a key and its certificate; a nil issuer signs for itself.
func (a *authority) sign(template *x509.Certificate, issuer *authority) (*ecdsa.PrivateKey, []byte) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	parent, signer := template, key
	if issuer != nil {
		parent, signer = issuer.cert, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	template.Raw = der
	return key, der
}

// certs writes ca.pem, cert.pem and key.pem for an address into a directory.
func (a *authority) certs(dir, address string) string {
	key, der := a.sign(&x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "x"}, IPAddresses: []net.IP{net.ParseIP(address)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		NotBefore:   time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}, a)
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"ca.pem": {Type: "CERTIFICATE", Bytes: a.cert.Raw}, "cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "EC PRIVATE KEY", Bytes: private},
	} {
		write(a.t, filepath.Join(dir, name), string(pem.EncodeToMemory(block)))
	}
	return dir
}

// serveTLS puts TLS that asks for client certificates before an engine's socket, as
// dockerd --tlsverify does, and returns its address.
func (a *authority) serveTLS(socket string) string {
	dir := a.certs(a.t.TempDir(), "127.0.0.1")
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		a.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	parsed, err := x509.ParseCertificate(a.cert.Raw)
	if err != nil {
		a.t.Fatal(err)
	}
	pool.AddCert(parsed)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool})
	if err != nil {
		a.t.Fatal(err)
	}
	var running stdsync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer func() { _ = conn.Close() }()
				engine, err := net.Dial("unix", socket)
				if err != nil {
					return
				}
				var both stdsync.WaitGroup
				both.Go(func() { _, _ = io.Copy(engine, conn); _ = engine.Close() })
				_, _ = io.Copy(conn, engine)
				_ = conn.Close()
				both.Wait()
			})
		}
	})
	a.t.Cleanup(func() {
		_ = listener.Close()
		running.Wait()
	})
	return "tcp://" + listener.Addr().String()
}

func TestTLSEnginesAreSpokenToWithClientCertificates(t *testing.T) {
	socket := dockertest.Socket(t)
	a := newAuthority(t)
	address := a.serveTLS(socket)
	all, own := t.TempDir(), t.TempDir()
	a.certs(all, "127.0.0.1")
	a.certs(filepath.Join(own, "127.0.0.1"), "127.0.0.1")
	for name, tt := range map[string]struct {
		config func(t *testing.T, dir string) docker.Config
		says   string
	}{
		"from the directory that is set": {config: func(*testing.T, string) docker.Config { return docker.Config{Host: address, CertPath: all} }},
		"from a directory for the host":  {config: func(*testing.T, string) docker.Config { return docker.Config{Host: address, CertPath: own} }},
		"from DOCKER_CERT_PATH": {config: func(t *testing.T, _ string) docker.Config {
			t.Setenv("DOCKER_CERT_PATH", all)
			return docker.Config{Host: address}
		}},
		"from a context": {config: func(t *testing.T, dir string) docker.Config {
			writeContext(t, dir, "tls", address, all)
			return docker.Config{Context: "tls"}
		}},
		"none: the engine refuses": {config: func(*testing.T, string) docker.Config { return docker.Config{Host: address} }, says: "cannot be reached"},
		"of another authority: it is not accepted": {config: func(t *testing.T, _ string) docker.Config {
			return docker.Config{Host: address, CertPath: newAuthority(t).certs(t.TempDir(), "127.0.0.1")}
		}, says: "certificate"},
		"that are missing: the error names them": {config: func(*testing.T, string) docker.Config { return docker.Config{Host: address, CertPath: "/nowhere"} }, says: "/nowhere/ca.pem"},
	} {
		t.Run(name, func(t *testing.T) {
			config := tt.config(t, cleanEnv(t))
			rt, err := config.New()
			if err == nil {
				_, err = rt.(runtimetest.Full).List(t.Context(), map[string]string{"io.gitsync.test": "none"})
				_ = rt.(io.Closer).Close()
			}
			switch {
			case tt.says == "" && err != nil:
				t.Errorf("list: %v", err)
			case tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)):
				t.Errorf("list: %v, want it to say %q", err, tt.says)
			}
		})
	}
}

// An engine that is dialled through something else is never dialled on this machine.
func TestDialIsTheOnlyWayToTheEngine(t *testing.T) {
	socket := dockertest.Socket(t)
	cleanEnv(t)
	dials := 0
	config := docker.Config{Host: "unix:///nowhere/docker.sock", Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		dials++
		if network != "unix" || address != "/nowhere/docker.sock" {
			t.Errorf("dials %s %s, want the address that is set", network, address)
		}
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}
	rt, err := config.New()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rt.(io.Closer).Close() }()
	if _, err := rt.(runtimetest.Full).List(t.Context(), map[string]string{"io.gitsync.test": "none"}); err != nil || dials == 0 {
		t.Errorf("list: %v after %d dials, want an answer and a dial", err, dials)
	}
}
