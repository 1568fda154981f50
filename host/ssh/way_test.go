package ssh_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	stdsync "sync"
	"testing"

	"github.com/rs/zerolog"
	xssh "golang.org/x/crypto/ssh"

	"github.com/gitsync/gitsync/host/ssh"
	"github.com/gitsync/gitsync/internal/sshdtest"
)

// login proves that a login works.
func login(t *testing.T, config ssh.Config, opts ssh.Options) {
	t.Helper()
	client, err := ssh.Dial(withPatience(t), config, opts)
	if err != nil {
		t.Fatal(err)
	}
	use(t, client)
	if err := client.Close(); err != nil {
		t.Error(err)
	}
}

func TestKeysOfEachTypeLogIn(t *testing.T) {
	for _, kind := range []string{"ed25519", "rsa", "ecdsa"} {
		t.Run(kind, func(t *testing.T) {
			key := sshdtest.Key(t, kind)
			s := sshdtest.Serve(t)
			if err := os.WriteFile(s.KeyFile+".pub", []byte(read(t, key+".pub")), 0o600); err != nil {
				t.Fatal(err)
			}
			login(t, ssh.Config{Address: s.Address, Port: s.Port, User: s.User}, ssh.Options{KeyFile: key, KnownHostsFile: s.KnownHostsFile})
		})
	}
}

func TestAPassphraseComesFromAFile(t *testing.T) {
	s := sshdtest.Serve(t)
	sshdtest.Keygen(t, "-p", "-q", "-f", s.KeyFile, "-N", "s3cret", "-P", "")
	config, opts := to(s)
	opts.PassphraseFile = write(t, "s3cret\n")
	login(t, config, opts)
	opts.PassphraseFile = write(t, "other\n")
	wantRefusal(t, config, opts, dialCase{nil, ssh.ErrAuth, []string{"does not open the key", s.KeyFile}})
}

func TestACertificateOfTheUserLogsIn(t *testing.T) {
	authority := sshdtest.Key(t, "ed25519")
	s := sshdtest.Serve(t, "TrustedUserCAKeys "+authority+".pub")
	config, opts := to(s)
	opts.KeyFile = sshdtest.Key(t, "ed25519")
	wantRefusal(t, config, opts, dialCase{nil, ssh.ErrAuth, []string{"does not let"}})
	sshdtest.Keygen(t, "-q", "-s", authority, "-I", "test", "-n", s.User, opts.KeyFile+".pub")
	login(t, config, opts)

	// The key may be in the agent, and the certificate in a file that ssh_config names.
	socket := sshdtest.Agent(t, s.StrangerKeyFile)
	sshdtest.Keygen(t, "-q", "-s", authority, "-I", "test", "-n", s.User, s.StrangerKeyFile+".pub")
	settings := write(t, "Host *\n  CertificateFile "+s.StrangerKeyFile+"-cert.pub\n")
	login(t, config, ssh.Options{AgentSocket: socket, ConfigFile: settings, KnownHostsFile: s.KnownHostsFile})
}

func TestACertificateOfTheHostIsVerified(t *testing.T) {
	authority, host := sshdtest.Key(t, "ed25519"), sshdtest.Key(t, "ed25519")
	sshdtest.Keygen(t, "-q", "-s", authority, "-I", "test", "-h", "-n", "127.0.0.1", host+".pub")
	s := sshdtest.Serve(t, "HostKey "+host, "HostCertificate "+host+"-cert.pub")
	config, opts := to(s)
	trusted := "@cert-authority * " + read(t, authority+".pub")
	opts.KnownHostsFile = write(t, trusted)
	login(t, config, opts)
	for name, revoked := range map[string]string{"the host's key": read(t, host+".pub"), "the authority": read(t, authority+".pub")} {
		t.Run(name+" is revoked", func(t *testing.T) {
			opts.KnownHostsFile = write(t, trusted+"@revoked * "+revoked)
			wantRefusal(t, config, opts, dialCase{nil, ssh.ErrHostKey, []string{"line 2", "revokes"}})
		})
	}
	opts.KnownHostsFile = write(t, "@cert-authority * "+read(t, s.HostKeyFile("rsa")))
	wantRefusal(t, config, opts, dialCase{nil, ssh.ErrHostKey, nil})
}

func TestAPinnedKeyCountsInPlaceOfKnownHosts(t *testing.T) {
	s := sshdtest.Serve(t)
	for _, kind := range []string{"rsa", "ecdsa", "ed25519"} {
		public := strings.TrimSpace(read(t, s.HostKeyFile(kind)))
		key, _, _, _, err := xssh.ParseAuthorizedKey([]byte(public))
		if err != nil {
			t.Fatal(err)
		}
		for _, pin := range []string{public, xssh.FingerprintSHA256(key)} {
			config, opts := to(s)
			config.HostKey, opts.KnownHostsFile = pin, "/nowhere"
			login(t, config, opts)
		}
	}
	config, opts := to(s)
	for _, pin := range []string{strings.TrimSpace(read(t, s.KeyFile+".pub")), "SHA256:" + strings.Repeat("A", 43)} {
		config.HostKey, opts.TrustOnFirstUse = pin, true
		wantRefusal(t, config, opts, dialCase{nil, ssh.ErrHostKey, []string{"hostKey says", "somebody may be in between"}})
	}
	config.HostKey = "SHA256:short"
	if _, err := ssh.Dial(t.Context(), config, opts); err == nil || !strings.Contains(err.Error(), "no fingerprint") {
		t.Errorf("dial: %v, want it to say that this is no fingerprint", err)
	}
}

// Several logins at once to a host that is not known remember its key once.
func TestTrustOnFirstUseIsRemembered(t *testing.T) {
	s := sshdtest.Serve(t)
	config, opts := to(s)
	opts.TrustOnFirstUse = true
	opts.KnownHostsFile = filepath.Join(t.TempDir(), "new", "known_hosts")
	var log bytes.Buffer
	ctx := zerolog.New(zerolog.SyncWriter(&log)).WithContext(withPatience(t))
	var all stdsync.WaitGroup
	for range 5 {
		all.Go(func() {
			client, err := ssh.Dial(ctx, config, opts)
			if err != nil {
				t.Error(err)
				return
			}
			_ = client.Close()
		})
	}
	all.Wait()
	if got := strings.Count(read(t, opts.KnownHostsFile), "\n"); got != 1 {
		t.Errorf("known_hosts has %d lines, want one:\n%s", got, read(t, opts.KnownHostsFile))
	}
	if got := log.String(); strings.Count(got, "trusted on first use") != 1 || !strings.Contains(got, "SHA256:") {
		t.Errorf("logged %s, want the fingerprint once", got)
	}
	opts.TrustOnFirstUse = false
	login(t, config, opts)
	// A key that changed is never trusted.
	s.KnowAnother()
	opts.TrustOnFirstUse, opts.KnownHostsFile = true, s.KnownHostsFile
	wantRefusal(t, config, opts, dialCase{nil, ssh.ErrHostKey, []string{"another key"}})
}

func TestTheUsersSSHConfigCounts(t *testing.T) {
	s := sshdtest.Serve(t)
	home := t.TempDir()
	t.Setenv("HOME", home)
	if err := os.CopyFS(filepath.Join(home, ".ssh"), os.DirFS(filepath.Dir(s.KeyFile))); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(home, ".ssh", "user"), 0o600); err != nil {
		t.Fatal(err)
	}
	settings := write(t, fmt.Sprintf(`Host web*
  HostName 127.0.0.1
  User %s
  Port %d
  IdentityFile ~/.ssh/missing
  IdentityFile "%%d/.ssh/user"
  UserKnownHostsFile ~/.ssh/known_hosts
  IdentitiesOnly yes
`, s.User, s.Port))
	login(t, ssh.Config{Address: "web1"}, ssh.Options{ConfigFile: settings})
	// Keys of the agent that are no identities are not offered.
	s2 := sshdtest.Serve(t, "MaxAuthTries 1")
	s2.Know("host_ed25519")
	only := write(t, fmt.Sprintf("Host *\n  IdentitiesOnly yes\n  IdentityFile %s\n", s2.KeyFile))
	login(t, ssh.Config{Address: s2.Address, Port: s2.Port, User: s2.User},
		ssh.Options{ConfigFile: only, KnownHostsFile: s2.KnownHostsFile, AgentSocket: sshdtest.Agent(t, s.StrangerKeyFile)})

	for name, tt := range map[string]struct{ settings, says string }{
		"Match exec":      {"Match exec \"true\"\n  User x\n", "Match exec is not supported"},
		"a port":          {"Host *\n  Port many\n", "is no port"},
		"ProxyCommand":    {"Host *\n  ProxyCommand nc %h %p\n", "write ProxyJump"},
		"a file missing":  {"", "read the ssh_config"},
		"a way in a ring": {"Host a\n  ProxyJump b\nHost b\n  ProxyJump a\n", "leads through itself"},
	} {
		t.Run(name, func(t *testing.T) {
			opts := ssh.Options{ConfigFile: write(t, tt.settings), KnownHostsFile: s.KnownHostsFile, KeyFile: s.KeyFile}
			if tt.settings == "" {
				opts.ConfigFile = "/nowhere/config"
			}
			_, err := ssh.Dial(withPatience(t), ssh.Config{Address: "a"}, opts)
			if !errors.Is(err, ssh.ErrConfig) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("dial: %v, want it to say %q", err, tt.says)
			}
		})
	}
}

// known joins the known hosts of several servers.
func known(t *testing.T, servers ...*sshdtest.Server) string {
	t.Helper()
	var all string
	for _, s := range servers {
		all += read(t, s.KnownHostsFile)
	}
	return write(t, all)
}

// authorize lets the first server's key into the others.
func authorize(t *testing.T, first *sshdtest.Server, others ...*sshdtest.Server) {
	t.Helper()
	for _, s := range others {
		if err := os.WriteFile(s.KeyFile+".pub", []byte(read(t, first.KeyFile+".pub")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestJumpHostsAreTheWay(t *testing.T) {
	one, two, last := sshdtest.Serve(t), sshdtest.Serve(t), sshdtest.Serve(t)
	authorize(t, one, two, last)
	opts := ssh.Options{KeyFile: one.KeyFile, KnownHostsFile: known(t, one, two, last)}
	hop := func(s *sshdtest.Server) string { return fmt.Sprintf("%s@%s:%d", s.User, s.Address, s.Port) }
	config := ssh.Config{Address: last.Address, Port: last.Port, User: last.User, ProxyJump: hop(one) + "," + hop(two)}
	login(t, config, opts)

	t.Run("ssh_config may say it", func(t *testing.T) {
		opts := opts
		opts.ConfigFile = write(t, fmt.Sprintf("Host jump\n  HostName %s\n  Port %d\n  User %s\nHost last\n  HostName %s\n  Port %d\n  User %s\n  ProxyJump jump\n",
			one.Address, one.Port, one.User, last.Address, last.Port, last.User))
		login(t, ssh.Config{Address: "last"}, opts)
	})
	t.Run("each key on the way is verified, and the error names the hop", func(t *testing.T) {
		opts := opts
		opts.KnownHostsFile = known(t, one, last)
		wantRefusal(t, config, opts, dialCase{nil, ssh.ErrHostKey, []string{fmt.Sprintf("the jump host 127.0.0.1:%d", two.Port), "does not know the host"}})
	})
}

func TestHostsBehindAJumpHostShareTheConnectionToIt(t *testing.T) {
	one, two, last := sshdtest.Serve(t), sshdtest.Serve(t), sshdtest.Serve(t)
	authorize(t, one, two, last)
	opts := ssh.Options{KeyFile: one.KeyFile, KnownHostsFile: known(t, one, two, last)}
	logins := make(chan net.Conn, 10)
	through := serve(t, "tcp", "127.0.0.1:0", func(_ int, conn net.Conn) {
		logins <- conn
		forward(conn, one)
	})
	opts.KnownHostsFile = write(t, read(t, opts.KnownHostsFile)+strings.ReplaceAll(read(t, one.KnownHostsFile), fmt.Sprint(one.Port), fmt.Sprint(at(through).Port)))
	dialer := ssh.NewDialer(opts)
	jump := fmt.Sprintf("%s@%s", one.User, through)
	var open []*ssh.Connection
	for _, s := range []*sshdtest.Server{two, last} {
		c, err := dialer.Connect(withPatience(t), ssh.Config{Address: s.Address, Port: s.Port, User: s.User, ProxyJump: jump})
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
	}
	socket := serve(t, "unix", filepath.Join(shortDir(t), "socket"), echo)
	check := func(c *ssh.Connection) {
		t.Helper()
		conn, err := c.DialContext(withPatience(t), "unix", socket.String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if err := talk(conn, "hello"); err != nil {
			t.Error(err)
		}
	}
	check(open[0])
	if got := len(logins); got != 1 {
		t.Errorf("%d logins at the jump host, want one", got)
	}
	if err := open[0].Close(); err != nil {
		t.Error(err)
	}
	check(open[1])
	// The way comes back too.
	_ = (<-logins).Close()
	check(open[1])
	if err := open[1].Close(); err != nil {
		t.Error(err)
	}
}

// One connection carries all calls, where a server allows no more than one session and
// one login at a time.
func TestOneLoginCarriesAllCalls(t *testing.T) {
	s := sshdtest.Serve(t, "MaxSessions 1", "MaxStartups 1")
	c := connect(t, s)
	socket := serve(t, "unix", filepath.Join(shortDir(t), "docker.sock"), func(_ int, conn net.Conn) {
		_ = http.Serve(&oneConn{conn: conn}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprint(w, r.URL.Path) }))
	})
	var all stdsync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			conn, err := c.DialContext(withPatience(t), "unix", socket.String())
			if err != nil {
				t.Errorf("call %d: %v", i, err)
				return
			}
			defer func() { _ = conn.Close() }()
			if _, err := fmt.Fprintf(conn, "GET /%d HTTP/1.0\r\n\r\n", i); err != nil {
				t.Error(err)
			}
			var answer bytes.Buffer
			if _, err := answer.ReadFrom(conn); err != nil || !strings.HasSuffix(answer.String(), fmt.Sprintf("/%d", i)) {
				t.Errorf("call %d: %q, %v", i, answer.String(), err)
			}
		})
	}
	all.Wait()
}

// oneConn is a listener for one connection.
type oneConn struct {
	conn net.Conn
	done bool
}

func (l *oneConn) Accept() (net.Conn, error) {
	if l.done {
		return nil, net.ErrClosed
	}
	l.done = true
	return l.conn, nil
}
func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return l.conn.LocalAddr() }

// Whatever becomes of a connection, nothing of it stays open.
func TestNoFileStaysOpen(t *testing.T) {
	s, jump := sshdtest.Serve(t), sshdtest.Serve(t)
	authorize(t, s, jump)
	socket := sshdtest.Agent(t, s.KeyFile)
	opts := ssh.Options{KeyFile: s.KeyFile, KnownHostsFile: known(t, s, jump), AgentSocket: socket}
	before := openFiles(t)
	for _, change := range []func(*ssh.Config, *ssh.Options){
		func(*ssh.Config, *ssh.Options) {},
		func(c *ssh.Config, _ *ssh.Options) {
			c.ProxyJump = fmt.Sprintf("%s@%s:%d", jump.User, jump.Address, jump.Port)
		},
		func(c *ssh.Config, _ *ssh.Options) {
			c.ProxyJump = fmt.Sprintf("nobody@%s:%d", jump.Address, jump.Port)
		},
		func(c *ssh.Config, _ *ssh.Options) { c.User = "nobody" },
		func(_ *ssh.Config, o *ssh.Options) { o.KnownHostsFile = "/dev/null" },
		func(_ *ssh.Config, o *ssh.Options) { o.AgentSocket = "/nowhere" },
		func(c *ssh.Config, _ *ssh.Options) { c.Port = 1 },
	} {
		config, opts := ssh.Config{Address: s.Address, Port: s.Port, User: s.User}, opts
		change(&config, &opts)
		c, err := ssh.NewDialer(opts).Connect(withPatience(t), config)
		if err != nil {
			continue
		}
		if _, err := c.DialContext(withPatience(t), "unix", "/nowhere"); err == nil {
			t.Error("dial: no error")
		}
		_ = c.Close()
	}
	if after := openFiles(t); after > before {
		t.Errorf("%d files are open, %d were before", after, before)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("this system has no /proc/self/fd")
	}
	return len(entries)
}

// The line that docs/hosts.md has for authorized_keys is enough, and gives no more.
func TestARestrictedKeyReachesSocketsAndNothingElse(t *testing.T) {
	s := sshdtest.Serve(t, "AllowTcpForwarding local", "AllowStreamLocalForwarding local", "AllowAgentForwarding no", "PermitTTY no")
	public := read(t, s.KeyFile+".pub")
	if err := os.WriteFile(s.KeyFile+".pub", []byte(`restrict,port-forwarding,command="/bin/false" `+public), 0o600); err != nil {
		t.Fatal(err)
	}
	config, opts := to(s)
	socket := serve(t, "unix", filepath.Join(shortDir(t), "socket"), echo)
	c, err := ssh.NewDialer(opts).Connect(withPatience(t), config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	conn, err := c.DialContext(withPatience(t), "unix", socket.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := talk(conn, "hello"); err != nil {
		t.Error(err)
	}
	client, err := ssh.Dial(withPatience(t), config, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = session.Close() }()
	if output, err := session.Output("echo hello"); err == nil {
		t.Errorf("a command runs, and prints %q", output)
	}
}

// What looks like hardening takes the socket away too, and the error says so.
func TestSettingsForPortsCountForSocketsToo(t *testing.T) {
	for _, setting := range []string{"AllowTcpForwarding no", "PermitOpen none"} {
		s := sshdtest.Serve(t, setting)
		c := connect(t, s)
		socket := serve(t, "unix", filepath.Join(shortDir(t), "socket"), echo)
		_, err := c.DialContext(withPatience(t), "unix", socket.String())
		if name, _, _ := strings.Cut(setting, " "); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, want an error that names it", setting, err)
		}
	}
}

// One line that gitsync cannot decide stops the hosts that it may concern, and no others.
func TestMatchLinesConcernWhomTheyName(t *testing.T) {
	s := sshdtest.Serve(t)
	t.Setenv("HOME", t.TempDir())
	included := write(t, "Host b\n  User deploy\n")
	agent := sshdtest.Agent(t, s.KeyFile)
	settings := write(t, fmt.Sprintf(`Include %s
Match host bad exec "true"
  Port 1
Match host a,b user deploy
  Port 1
Match user %s,nobody !host bad
  HostName 127.0.0.1
  Port %d
  IdentityAgent %s
Match user nobody
  Port 1
`, included, s.User, s.Port, agent))
	opts := ssh.Options{ConfigFile: settings, KnownHostsFile: s.KnownHostsFile}
	login(t, ssh.Config{Address: "a", User: s.User}, opts)
	for config, says := range map[ssh.Config]string{
		{Address: "bad", User: s.User}: settings + `:2: "Match host bad exec \"true\"": Match exec is not supported`,
		{Address: "b"}:                 "127.0.0.1:1",
	} {
		if config.Address == "b" {
			opts.AgentSocket = agent
			// The included file says who logs in, and Match user counts for that one.
			opts.ConfigFile = write(t, "Include "+included+"\nMatch user deploy\n  HostName 127.0.0.1\n  Port 1\n")
		}
		client, err := ssh.Dial(withPatience(t), config, opts)
		if err == nil {
			_ = client.Close()
		}
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("dial %s: %v, want it to say %s", config.Address, err, says)
		}
		opts.ConfigFile = settings
	}
}
