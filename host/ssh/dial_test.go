package ssh_test

import (
	"context"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	xssh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/host/ssh"
	"github.com/gitsync/gitsync/internal/sshdtest"
)

// dialCase changes the way to a real server that lets KeyFile in.
type dialCase struct {
	change func(t *testing.T, c *ssh.Config, o *ssh.Options)
	want   error
	says   []string
}

func TestDialLogsIn(t *testing.T) {
	s := sshdtest.Serve(t)
	agent := sshdtest.Agent(t, s.KeyFile)
	for name, change := range map[string]func(*testing.T, *ssh.Config, *ssh.Options){
		"with a key file": func(*testing.T, *ssh.Config, *ssh.Options) {},
		"with a key in the config": func(t *testing.T, c *ssh.Config, o *ssh.Options) {
			c.PrivateKey, o.KeyFile = read(t, s.KeyFile), ""
		},
		"with an agent": func(_ *testing.T, _ *ssh.Config, o *ssh.Options) { o.KeyFile, o.AgentSocket = "", agent },
		"with the agent's key after one that is refused": func(_ *testing.T, _ *ssh.Config, o *ssh.Options) {
			o.KeyFile, o.AgentSocket = s.StrangerKeyFile, agent
		},
		"with a key file beside an agent that is gone": func(_ *testing.T, _ *ssh.Config, o *ssh.Options) {
			o.AgentSocket = "/nowhere/agent"
		},
		"where only the RSA key of the host is known":   func(*testing.T, *ssh.Config, *ssh.Options) { s.Know("host_rsa") },
		"where only the ECDSA key of the host is known": func(*testing.T, *ssh.Config, *ssh.Options) { s.Know("host_ecdsa") },
		"with the agent's key beside a password that is wrong": func(_ *testing.T, c *ssh.Config, o *ssh.Options) {
			c.Password, o.AgentSocket = "wrong", agent
		},
	} {
		t.Run(name, func(t *testing.T) {
			s.Know("host_ed25519")
			config, opts := to(s)
			change(t, &config, &opts)
			client, err := ssh.Dial(t.Context(), config, opts)
			if err != nil {
				t.Fatal(err)
			}
			use(t, client)
			if err := client.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A refusal is final: with these settings another attempt would come in an hour.
func TestRefusalsSayWhatToDoAndAreFinal(t *testing.T) {
	s := sshdtest.Serve(t)
	for name, tt := range refusals(s) {
		t.Run(name, func(t *testing.T) {
			s.Know("host_ed25519")
			config, opts := to(s)
			config.RetryTimeout, config.RetryInterval = types.Duration(2*time.Hour), types.Duration(time.Hour)
			tt.change(t, &config, &opts)
			wantRefusal(t, config, opts, tt)
		})
	}
}

func wantRefusal(t *testing.T, config ssh.Config, opts ssh.Options, want dialCase) {
	t.Helper()
	client, err := ssh.Dial(withPatience(t), config, opts)
	if err == nil {
		_ = client.Close()
	}
	if !errors.Is(err, want.want) {
		t.Fatalf("dial: %v, want %v", err, want.want)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("dial: %v, want no second attempt", err)
	}
	for _, says := range want.says {
		if !strings.Contains(err.Error(), says) {
			t.Errorf("dial: %v, want it to say %q", err, says)
		}
	}
	if strings.Contains(err.Error(), "s3cret") {
		t.Errorf("the error shows a secret: %v", err)
	}
}

func refusals(s *sshdtest.Server) map[string]dialCase {
	set := func(change func(c *ssh.Config, o *ssh.Options)) func(*testing.T, *ssh.Config, *ssh.Options) {
		return func(_ *testing.T, c *ssh.Config, o *ssh.Options) { change(c, o) }
	}
	return map[string]dialCase{
		"an unknown host": {set(func(*ssh.Config, *ssh.Options) { s.KnowNobody() }),
			ssh.ErrHostKey, []string{"does not know the host", "SHA256:", "ssh-keyscan -p ", s.KnownHostsFile}},
		"a changed key": {set(func(*ssh.Config, *ssh.Options) { s.KnowAnother() }),
			ssh.ErrHostKey, []string{"another key", "ssh-keygen -R '[127.0.0.1]:", "somebody may be in between"}},
		"a revoked key": {func(t *testing.T, _ *ssh.Config, o *ssh.Options) {
			known := read(t, s.KnownHostsFile)
			o.KnownHostsFile = write(t, known+"@revoked "+known)
		}, ssh.ErrHostKey, []string{"line 2", "revokes", "new key"}},
		"no known_hosts": {set(func(_ *ssh.Config, o *ssh.Options) { o.KnownHostsFile = "/nowhere/known_hosts" }),
			ssh.ErrHostKey, []string{"no file /nowhere/known_hosts", "ssh-keyscan -p ", "127.0.0.1 >> /nowhere/known_hosts"}},
		"a known_hosts that cannot be read": {func(t *testing.T, _ *ssh.Config, o *ssh.Options) {
			o.KnownHostsFile = write(t, "example.com ssh-ed25519 garbage\n")
		}, ssh.ErrHostKey, []string{"read "}},
		"a key that is not let in": {set(func(_ *ssh.Config, o *ssh.Options) { o.KeyFile = s.StrangerKeyFile }),
			ssh.ErrAuth, []string{"does not let " + s.User + " in", "authorized_keys"}},
		"a password where none is taken": {set(func(c *ssh.Config, o *ssh.Options) { c.Password, o.KeyFile = "s3cret", "" }),
			ssh.ErrAuth, []string{"the password"}},
		"no key at all": {set(func(_ *ssh.Config, o *ssh.Options) { o.KeyFile = "" }), ssh.ErrAuth, []string{"ssh-add"}},
		"an agent that is gone": {set(func(_ *ssh.Config, o *ssh.Options) { o.KeyFile, o.AgentSocket = "", "/nowhere/agent" }),
			ssh.ErrAuth, []string{"/nowhere/agent", "start it"}},
		"a key file that is missing": {set(func(_ *ssh.Config, o *ssh.Options) { o.KeyFile = "/nowhere/key" }), ssh.ErrAuth, []string{"/nowhere/key"}},
		"a key file that holds no key": {func(t *testing.T, _ *ssh.Config, o *ssh.Options) { o.KeyFile = write(t, "s3cret") },
			ssh.ErrAuth, []string{"holds no private key"}},
		"a key with a passphrase": {func(t *testing.T, _ *ssh.Config, o *ssh.Options) { o.KeyFile = write(t, lockedKey(t)) },
			ssh.ErrAuth, []string{"has a passphrase", "ssh-add"}},
		"a config that holds no key": {set(func(c *ssh.Config, _ *ssh.Options) { c.PrivateKey = "s3cret" }), ssh.ErrAuth, []string{"privateKey"}},
	}
}

func lockedKey(t *testing.T) string {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := xssh.MarshalPrivateKeyWithPassphrase(key, "", []byte("s3cret"))
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block))
}

func TestAHostThatLostTheKnownTypeOfKeyIsNotAccepted(t *testing.T) {
	s := sshdtest.Serve(t, "HostKeyAlgorithms rsa-sha2-512")
	config, opts := to(s)
	wantRefusal(t, config, opts, dialCase{nil, ssh.ErrHostKey, []string{"rsa-sha2-512", "another type", "ssh-keygen -R"}})
}

func TestTooManyKeysAreARefusalThatSaysSo(t *testing.T) {
	s := sshdtest.Serve(t, "MaxAuthTries 1")
	config, opts := to(s)
	opts.KeyFile, opts.AgentSocket = s.StrangerKeyFile, sshdtest.Agent(t, s.KeyFile)
	wantRefusal(t, config, opts, dialCase{nil, ssh.ErrAuth, []string{"too many keys", "MaxAuthTries"}})
}

func TestHashedKnownHostsAreRead(t *testing.T) {
	s := sshdtest.Serve(t)
	config, opts := to(s)
	host, key, _ := strings.Cut(strings.TrimSpace(read(t, s.KnownHostsFile)), " ")
	opts.KnownHostsFile = write(t, knownhosts.HashHostname(host)+" "+key+"\n")
	client, err := ssh.Dial(t.Context(), config, opts)
	if err != nil {
		t.Fatal(err)
	}
	use(t, client)
	if err := client.Close(); err != nil {
		t.Error(err)
	}
}
