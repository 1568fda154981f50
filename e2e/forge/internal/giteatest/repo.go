package giteatest

import (
	"cmp"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"code.gitea.io/sdk/gitea"

	"github.com/gitsync/gitsync/internal/gittest"
)

// Repo is a repo at a server.
type Repo struct {
	// Name is owner/name.
	Name string
	// Local is a repo on this machine, which Push pushes from. Commits can be made there by
	// its methods too.
	Local *gittest.Repo

	server *Server
	owner  string
	name   string
}

// NewRepo makes an empty, private repo of the administrator's. Push main before any
// other branch: until then Gitea shows people nothing of it.
func (s *Server) NewRepo(t testing.TB) *Repo {
	t.Helper()
	name := s.name("repo")
	if _, _, err := s.API(t).CreateRepo(gitea.CreateRepoOption{Name: name, Private: true}); err != nil {
		t.Fatalf("make a repo: %v", err)
	}
	return &Repo{Name: s.User + "/" + name, Local: gittest.NewRepo(t), server: s, owner: s.User, name: name}
}

// Publish lets everybody see the repo; the others are private.
func (r *Repo) Publish(t testing.TB) {
	t.Helper()
	private := false
	if _, _, err := r.server.API(t).EditRepo(r.owner, r.name, gitea.EditRepoOption{Private: &private}); err != nil {
		t.Fatalf("publish the repo: %v", err)
	}
}

// CloneURL is the repo's remote, without credentials: Git wants the server's User and Token.
func (r *Repo) CloneURL() string { return r.server.URL + "/" + r.Name + ".git" }

// Push adds files to a branch, or replaces them, pushes the commit by git, and returns its
// hash. The branch is made when it is not there.
func (r *Repo) Push(t testing.TB, branch string, files map[string]string, message string) string {
	t.Helper()
	hash := r.Local.Commit(branch, files, message)
	r.Sync(t)
	return hash
}

// Sync pushes what is committed in Local: all its branches.
func (r *Repo) Sync(t testing.TB) {
	t.Helper()
	remote, err := url.Parse(r.CloneURL())
	if err != nil {
		t.Fatal(err)
	}
	remote.User = url.UserPassword(r.server.User, r.server.Token)
	cmd := exec.CommandContext(t.Context(), "git", "-C", r.Local.Dir, "push", "--quiet", remote.String(), "refs/heads/*:refs/heads/*")
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "LC_ALL=C",
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
	}
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("push to Gitea: %v: %s", err, output)
	}
}

// Head is the hash of a branch's tip at the server; empty when there is no such branch.
func (r *Repo) Head(t testing.TB, branch string) string {
	t.Helper()
	found, response, err := r.server.API(t).GetRepoBranch(r.owner, r.name, branch)
	if err != nil {
		if response != nil && response.StatusCode == 404 {
			return ""
		}
		t.Fatalf("look at the branch %s: %v", branch, err)
	}
	return found.Commit.ID
}

// Statuses are all statuses that were posted for a commit, newest first.
func (r *Repo) Statuses(t testing.TB, hash string) []*gitea.Status {
	t.Helper()
	const size = 50
	var all []*gitea.Status
	for page := 1; ; page++ {
		statuses, _, err := r.server.API(t).ListStatuses(r.owner, r.name, hash, gitea.ListStatusesOption{
			ListOptions: gitea.ListOptions{Page: page, PageSize: size},
		})
		if err != nil {
			t.Fatalf("list the statuses: %v", err)
		}
		all = append(all, statuses...)
		if len(statuses) < size {
			// Gitea orders by time, which is in seconds.
			slices.SortFunc(all, func(a, b *gitea.Status) int { return cmp.Compare(b.ID, a.ID) })
			return all
		}
	}
}

// Status is the newest status of a context, and whether there is one.
func (r *Repo) Status(t testing.TB, hash, context string) (*gitea.Status, bool) {
	t.Helper()
	for _, status := range r.Statuses(t, hash) {
		if status.Context == context {
			return status, true
		}
	}
	return nil, false
}

// Webhook lets the server call address at each push, signed with a secret. The address is
// one on the loopback.
func (r *Repo) Webhook(t testing.TB, address, secret string) {
	t.Helper()
	if !strings.Contains(address, "//127.0.0.1") && !strings.Contains(address, "//localhost") {
		t.Fatalf("%s is not on the loopback: Gitea would not call it", address)
	}
	_, _, err := r.server.API(t).CreateRepoHook(r.owner, r.name, gitea.CreateHookOption{
		Type: gitea.HookTypeGitea, Active: true, Events: []string{"push"},
		Config: map[string]string{"url": address, "content_type": "json", "secret": secret},
	})
	if err != nil {
		t.Fatalf("make a webhook: %v", err)
	}
}
