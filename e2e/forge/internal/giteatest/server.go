package giteatest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"code.gitea.io/sdk/gitea"
)

const (
	// startTimeout bounds the start of a server: seconds, and minutes on a busy machine.
	startTimeout = 3 * time.Minute
	stopTimeout  = 20 * time.Second
	// nobody is the user that Debian and most others have without a right to anything.
	nobody = 65534
)

// Server is a running Gitea with one user, who is its administrator.
type Server struct {
	// URL is its address, without a slash at its end: http://127.0.0.1:port. The base of
	// its API is URL + /api/v1.
	URL string
	// User and Password are the administrator's.
	User, Password string
	// Token lets the administrator do everything, by API and as a password for Git.
	Token string

	dir    string
	binary string
	count  atomic.Int64 // of names that were given
	http   *http.Client
}

// Start starts a Gitea that ends with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	binary, static := find(t)
	s := &Server{User: "alice", Password: "correct-horse-battery", http: &http.Client{
		Transport: &http.Transport{}, Timeout: time.Minute,
	}}
	s.prepare(t, binary, static)
	s.run(t, "migrate")
	s.run(t, "admin", "user", "create", "--admin", "--username", s.User, "--password", s.Password,
		"--email", "alice@example.com", "--must-change-password=false")
	s.serve(t)
	s.Token = s.NewToken(t, "all")
	return s
}

// API is a client of the server, by its own library, with the administrator's token.
func (s *Server) API(t testing.TB) *gitea.Client {
	t.Helper()
	client, err := gitea.NewClient(s.URL, gitea.SetToken(s.Token), gitea.SetHTTPClient(s.http), gitea.SetContext(t.Context()),
		gitea.SetGiteaVersion(""))
	if err != nil {
		t.Fatalf("open Gitea's API: %v", err)
	}
	return client
}

// NewToken makes a token of the administrator's with these scopes only, such as
// write:repository.
func (s *Server) NewToken(t testing.TB, scopes ...string) string {
	t.Helper()
	option := gitea.CreateAccessTokenOption{Name: s.name("token")}
	for _, scope := range scopes {
		option.Scopes = append(option.Scopes, gitea.AccessTokenScope(scope))
	}
	client, err := gitea.NewClient(s.URL, gitea.SetBasicAuth(s.User, s.Password), gitea.SetHTTPClient(s.http),
		gitea.SetContext(t.Context()), gitea.SetGiteaVersion(""))
	if err != nil {
		t.Fatalf("open Gitea's API: %v", err)
	}
	token, _, err := client.CreateAccessToken(option)
	if err != nil {
		t.Fatalf("make a token: %v", err)
	}
	return token.Token
}

// name is one that was not given yet.
func (s *Server) name(of string) string {
	return of + "-" + strconv.FormatInt(s.count.Add(1), 10)
}

// prepare makes the server's directory, which its user can reach: the module cache and a
// test's own directories may be below one that only root can enter.
func (s *Server) prepare(t testing.TB, binary, static string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "gitsync-test-gitea-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove Gitea's directory: %v", err)
		}
	})
	s.dir, s.binary = dir, filepath.Join(dir, "gitea")
	if err := copyFile(binary, s.binary, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"options", "templates", "public"} {
		if err := os.CopyFS(filepath.Join(dir, "static", part), os.DirFS(filepath.Join(static, part))); err != nil {
			t.Fatal(err)
		}
	}
	port := freePort(t)
	s.URL = "http://127.0.0.1:" + strconv.Itoa(port)
	for _, sub := range []string{"work", "home"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(s.config(), []byte(configuration(dir, port)), 0o600); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() != 0 {
		return
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{s.config(), filepath.Join(dir, "work"), filepath.Join(dir, "home")} {
		if err := os.Chown(name, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *Server) config() string { return filepath.Join(s.dir, "app.ini") }

// command is Gitea with these arguments, as its user.
func (s *Server) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.binary, append(args, "--config", s.config())...)
	cmd.Dir = filepath.Join(s.dir, "work")
	home := filepath.Join(s.dir, "home")
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home, "USER=nobody", "LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1",
	}
	// A group of its own, so that the git commands that it runs end with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	cmd.WaitDelay = stopTimeout
	return cmd
}

// run runs a command of Gitea's to its end.
func (s *Server) run(t testing.TB, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	output, err := s.command(ctx, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("gitea %s: %v\n%s", args[0], err, tail(output))
	}
}

// serve starts the server and waits until it answers.
func (s *Server) serve(t testing.TB) {
	t.Helper()
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	// Not the test's context, which ends before the clean-up that stops the server.
	cmd := s.command(context.WithoutCancel(t.Context()), "web")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatalf("start Gitea: %v", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // what became of it is in cmd.ProcessState
	}()
	t.Cleanup(func() {
		s.http.CloseIdleConnections() // which it would wait for
		stop(t, cmd, ended)
		_ = log.Close()
		if t.Failed() {
			content, _ := os.ReadFile(log.Name())
			t.Logf("Gitea's log ends:\n%s", tail(content))
		}
	})
	if err := s.await(t.Context(), cmd, ended); err != nil {
		t.Fatalf("start Gitea: %v", err)
	}
}

// stop ends the server and all that it started, and waits for it.
func stop(t testing.TB, cmd *exec.Cmd, ended <-chan struct{}) {
	_ = syscall.Kill(cmd.Process.Pid, syscall.SIGTERM)
	select {
	case <-ended:
	case <-time.After(stopTimeout):
		t.Errorf("Gitea did not stop within %s", stopTimeout)
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-ended
	}
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
}

// await returns when the server answers, or does not and will not.
func (s *Server) await(ctx context.Context, cmd *exec.Cmd, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if s.healthy(ctx) {
			return nil
		}
		select {
		case <-ended:
			return fmt.Errorf("it ended: %s", cmd.ProcessState)
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func (s *Server) healthy(ctx context.Context) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/api/healthz", nil)
	if err != nil {
		return false
	}
	response, err := s.http.Do(request)
	if err != nil {
		return false
	}
	return response.Body.Close() == nil && response.StatusCode == http.StatusOK
}

func freePort(t testing.TB) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port
}

// tail is the end of an output.
func tail(output []byte) string {
	lines := bytes.Split(bytes.TrimSpace(output), []byte("\n"))
	return strings.TrimSpace(string(bytes.Join(lines[max(0, len(lines)-40):], []byte("\n"))))
}
