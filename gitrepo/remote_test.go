package gitrepo_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gitsync/gitsync/gitrepo"
	hostssh "github.com/gitsync/gitsync/host/ssh"
	"github.com/gitsync/gitsync/internal/gittest"
	"github.com/gitsync/gitsync/internal/sshdtest"
)

func TestMain(m *testing.M) {
	if how := os.Getenv(fetchAlone); how != "" {
		os.Exit(childFetches(how))
	}
	goleak.VerifyTestMain(m)
}

// transports are all ways to reach a repo, each with what it takes to log in.
var transports = map[string]func(t *testing.T, r *gittest.Repo) (string, gitrepo.Auth){
	"a path": func(_ *testing.T, r *gittest.Repo) (string, gitrepo.Auth) { return r.Dir, gitrepo.Auth{} },
	"file://": func(_ *testing.T, r *gittest.Repo) (string, gitrepo.Auth) {
		return "file://" + r.Dir, gitrepo.Auth{}
	},
	"http with a token": func(t *testing.T, r *gittest.Repo) (string, gitrepo.Auth) {
		s := gittest.ServeHTTP(t, r, gittest.HTTPOptions{Password: "s3cret"})
		return s.URL, gitrepo.Auth{Username: "git", Password: "s3cret"}
	},
	"http with a token in the URL": func(t *testing.T, r *gittest.Repo) (string, gitrepo.Auth) {
		s := gittest.ServeHTTP(t, r, gittest.HTTPOptions{Password: "s3cret"})
		return strings.Replace(s.URL, "http://", "http://me:s3cret@", 1), gitrepo.Auth{}
	},
	"https with an authority of its own": func(t *testing.T, r *gittest.Repo) (string, gitrepo.Auth) {
		s := gittest.ServeHTTP(t, r, gittest.HTTPOptions{TLS: true})
		return s.URL, gitrepo.Auth{CAFile: s.CAFile}
	},
	"ssh with a key": func(t *testing.T, r *gittest.Repo) (string, gitrepo.Auth) {
		s := sshdtest.Serve(t)
		return s.URL(r.Dir), gitrepo.Auth{SSH: hostssh.Options{KeyFile: s.KeyFile, KnownHostsFile: s.KnownHostsFile}}
	},
	"ssh with an agent": func(t *testing.T, r *gittest.Repo) (string, gitrepo.Auth) {
		s := sshdtest.Serve(t)
		return s.URL(r.Dir), gitrepo.Auth{SSH: hostssh.Options{AgentSocket: sshdtest.Agent(t, s.KeyFile), KnownHostsFile: s.KnownHostsFile}}
	},
}

func open(t *testing.T, address string, auth gitrepo.Auth) *gitrepo.Remote {
	t.Helper()
	remote, err := gitrepo.NewRemote(address, auth)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = remote.Close() })
	return remote
}

func openStore(t *testing.T, dir string, remote *gitrepo.Remote, branch string, only ...string) *gitrepo.Store {
	t.Helper()
	store, err := gitrepo.OpenStore(dir, remote, branch, only...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// fetchTip fetches where the branch is now.
func fetchTip(t *testing.T, remote *gitrepo.Remote, store *gitrepo.Store, branch string) *gitrepo.Commit {
	t.Helper()
	refs, err := remote.Refs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tip, err := refs.Branch(branch)
	if err != nil {
		t.Fatal(err)
	}
	commit, err := store.Fetch(t.Context(), tip)
	if err != nil {
		t.Fatalf("fetch: %v", err)
	}
	return commit
}

func wantFile(t *testing.T, commit *gitrepo.Commit, path, want string) {
	t.Helper()
	got, err := fs.ReadFile(commit.Tree(), path)
	if err != nil || string(got) != want {
		t.Errorf("%s holds %q, %v, want %q", path, got, err, want)
	}
}

func TestEveryTransportFetchesAndPushes(t *testing.T) {
	for name, serve := range transports {
		t.Run(name, func(t *testing.T) {
			repo := gittest.NewRepo(t)
			repo.Commit("main", map[string]string{"hosts/web1/containers.yaml": "one", "README.md": "x"}, "first\n\nbody")
			address, auth := serve(t, repo)
			remote := open(t, address, auth)
			store := openStore(t, t.TempDir(), remote, "main")

			commit := fetchTip(t, remote, store, "main")
			if commit.Subject != "first" || commit.Author != "Alice Admin" {
				t.Errorf("commit %+v", commit)
			}
			wantFile(t, commit, "hosts/web1/containers.yaml", "one")

			repo.Commit("main", map[string]string{"hosts/web1/containers.yaml": "two"}, "second")
			wantFile(t, fetchTip(t, remote, store, "main"), "hosts/web1/containers.yaml", "two")

			pushTwice(t, repo, remote)
			if strings.Contains(remote.String(), "s3cret") {
				t.Errorf("the address shows the password: %s", remote)
			}
		})
	}
}

// pushTwice makes a branch without parent, and puts a second commit on it.
func pushTwice(t *testing.T, repo *gittest.Repo, remote *gitrepo.Remote) {
	t.Helper()
	state := openStore(t, t.TempDir(), remote, "gitsync/state")
	author := gitrepo.Signature{Name: "gitsync", Email: "gitsync@host", When: time.Unix(1767323045, 0)}
	first, err := state.Commit(t.Context(), gitrepo.CommitOptions{
		Changes: map[string][]byte{"hosts/a/state.yaml": []byte("1"), "README.md": []byte("r")}, Message: "Deploy", Author: author,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := state.Push(t.Context(), first, ""); err != nil {
		t.Fatalf("push: %v", err)
	}
	second, err := state.Commit(t.Context(), gitrepo.CommitOptions{
		Parent: first, Changes: map[string][]byte{"hosts/b/state.yaml": []byte("2"), "README.md": nil}, Message: "Again", Author: author,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := state.Push(t.Context(), second, first); err != nil {
		t.Fatalf("push again: %v", err)
	}
	if got, want := repo.Git("log", "--format=%s", "gitsync/state"), "Again\nDeploy"; got != want {
		t.Errorf("log %q, want %q", got, want)
	}
	if got, want := repo.Git("ls-tree", "-r", "--name-only", "gitsync/state"), "hosts/a/state.yaml\nhosts/b/state.yaml"; got != want {
		t.Errorf("files %q, want %q", got, want)
	}
	repo.Git("fsck", "--strict")
	log, err := remote.Log(t.Context(), "gitsync/state", 1)
	if err != nil || len(log) != 1 || log[0].Subject != "Again" {
		t.Errorf("log %+v, %v", log, err)
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	repo := gittest.NewRepo(t)
	repo.Commit("main", map[string]string{"x": "y"}, "first")
	ssh := func(t *testing.T, change func(*sshdtest.Server, *gitrepo.Auth)) (string, gitrepo.Auth) {
		s := sshdtest.Serve(t)
		auth := gitrepo.Auth{SSH: hostssh.Options{KeyFile: s.KeyFile, KnownHostsFile: s.KnownHostsFile}}
		change(s, &auth)
		return s.URL(repo.Dir), auth
	}
	cases := map[string]struct {
		serve func(t *testing.T) (string, gitrepo.Auth)
		want  error
		says  string
	}{
		"no token": {func(t *testing.T) (string, gitrepo.Auth) {
			return gittest.ServeHTTP(t, repo, gittest.HTTPOptions{Password: "right"}).URL, gitrepo.Auth{}
		}, gitrepo.ErrAuth, "--git-token-file"},
		"a wrong token": {func(t *testing.T) (string, gitrepo.Auth) {
			return gittest.ServeHTTP(t, repo, gittest.HTTPOptions{Password: "right"}).URL, gitrepo.Auth{Username: "git", Password: "wr0ng-t0ken"}
		}, gitrepo.ErrAuth, "token"},
		"a repo that is not there": {func(t *testing.T) (string, gitrepo.Auth) {
			return gittest.ServeHTTP(t, repo, gittest.HTTPOptions{}).URL + "x", gitrepo.Auth{}
		}, gitrepo.ErrAuth, "check the URL"},
		"a directory that is not there": {func(t *testing.T) (string, gitrepo.Auth) {
			return t.TempDir() + "/missing", gitrepo.Auth{}
		}, gitrepo.ErrUnreachable, "no Git repo at"},
		"an authority that is not trusted": {func(t *testing.T) (string, gitrepo.Auth) {
			return gittest.ServeHTTP(t, repo, gittest.HTTPOptions{TLS: true}).URL, gitrepo.Auth{}
		}, gitrepo.ErrUnreachable, "certificate"},
		"a key that is not let in": {func(t *testing.T) (string, gitrepo.Auth) {
			return ssh(t, func(s *sshdtest.Server, a *gitrepo.Auth) { a.SSH.KeyFile = s.StrangerKeyFile })
		}, gitrepo.ErrAuth, "authorized_keys"},
		"a key that is missing": {func(t *testing.T) (string, gitrepo.Auth) {
			return ssh(t, func(_ *sshdtest.Server, a *gitrepo.Auth) { a.SSH.KeyFile = "/nowhere/key" })
		}, gitrepo.ErrAuth, "/nowhere/key"},
		"no key at all": {func(t *testing.T) (string, gitrepo.Auth) {
			return ssh(t, func(_ *sshdtest.Server, a *gitrepo.Auth) { a.SSH.KeyFile = "" })
		}, gitrepo.ErrAuth, "(--git-ssh-key), or add a key to the SSH agent (ssh-add)"},
		"a host that is not known": {func(t *testing.T) (string, gitrepo.Auth) {
			return ssh(t, func(s *sshdtest.Server, _ *gitrepo.Auth) { s.KnowNobody() })
		}, gitrepo.ErrHostKey, "give a file that knows it with --git-known-hosts"},
		"a host whose key changed": {func(t *testing.T) (string, gitrepo.Auth) {
			return ssh(t, func(s *sshdtest.Server, _ *gitrepo.Auth) { s.KnowAnother() })
		}, gitrepo.ErrHostKey, "ssh-keygen -R"},
	}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			address, auth := tt.serve(t)
			_, err := open(t, address, auth).Refs(t.Context())
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("refs: %v, want %v that says %q", err, tt.want, tt.says)
			}
			if err != nil && strings.Contains(err.Error(), "wr0ng-t0ken") {
				t.Errorf("the error shows the token: %v", err)
			}
		})
	}
}

func TestAddressesAreUnderstood(t *testing.T) {
	for address, want := range map[string]struct{ shown, identity string }{
		"https://example.com/acme/infra.git":         {"https://example.com/acme/infra.git", "example.com/acme/infra"},
		"https://me:tok@example.com/acme/infra":      {"https://***@example.com/acme/infra", "example.com/acme/infra"},
		"https://ghp_t0k@example.com/acme/infra":     {"https://***@example.com/acme/infra", "example.com/acme/infra"},
		"https://t0k:x-oauth-basic@example.com/a/b":  {"https://***@example.com/a/b", "example.com/a/b"},
		"https://example.com/a/b?private_token=t0k":  {"https://example.com/a/b?***", "example.com/a/b"},
		"ssh://git:t0k@example.com/acme/infra":       {"ssh://git@example.com:22/acme/infra", "example.com/acme/infra"},
		"git@example.com:acme/infra.git":             {"ssh://git@example.com:22/acme/infra.git", "example.com/acme/infra"},
		"ssh://git@example.com:2222/acme/infra.git/": {"ssh://git@example.com:2222/acme/infra.git/", "example.com/acme/infra"},
		"/srv/git/infra.git":                         {"/srv/git/infra.git", "/srv/git/infra.git"},
		"file:///srv/git/infra.git":                  {"/srv/git/infra.git", "/srv/git/infra.git"},
	} {
		remote := open(t, address, gitrepo.Auth{})
		if remote.String() != want.shown || remote.Identity() != want.identity {
			t.Errorf("%s: shown %s, identity %s, want %+v", address, remote, remote.Identity(), want)
		}
	}
	for _, address := range []string{"", "git://example.com/x", "ftp://me:tok@example.com/x", "ftp://tok@example.com/x", "https://tok@exa mple.com/x"} {
		if _, err := gitrepo.NewRemote(address, gitrepo.Auth{}); err == nil || strings.Contains(err.Error(), "tok@") {
			t.Errorf("%q: %v, want an error without the password", address, err)
		}
	}
}

func TestAServerThatNeverAnswersIsLeftInTime(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	known := sshdtest.Serve(t)
	for _, scheme := range []string{"http://", "ssh://git@"} {
		t.Run(scheme, func(t *testing.T) {
			remote := open(t, scheme+listener.Addr().String()+"/x.git", gitrepo.Auth{SSH: hostssh.Options{KeyFile: known.KeyFile, KnownHostsFile: known.KnownHostsFile}})
			wantLeftInTime(t, remote)
		})
	}
}

// wantLeftInTime checks that an advertisement that never comes is waited for no
// longer than the context says.
func wantLeftInTime(t *testing.T, remote *gitrepo.Remote) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := remote.Refs(ctx)
		done <- err
	}()
	select {
	case err := <-done:
		if !errors.Is(err, gitrepo.ErrUnreachable) {
			t.Errorf("refs: %v, want ErrUnreachable", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("refs does not obey its context")
	}
}
