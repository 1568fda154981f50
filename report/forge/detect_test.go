package forge_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/report/forge"
)

func TestTheForgeIsFoundFromTheRemote(t *testing.T) {
	for remote, want := range map[string]string{
		"https://github.com/acme/infra.git":                   "github https://api.github.com acme/infra",
		"https://github.com/acme/infra/":                      "github https://api.github.com acme/infra",
		"https://x-access-token:secret@GitHub.com/acme/infra": "github https://api.github.com acme/infra",
		"git@github.com:acme/infra.git":                       "github https://api.github.com acme/infra",
		"github.com:acme/infra":                               "github https://api.github.com acme/infra",
		"ssh://git@ssh.github.com:443/acme/infra.git":         "github https://api.github.com acme/infra",
		"git@acme.ghe.com:acme/infra.git":                     "github https://api.acme.ghe.com acme/infra",
		"https://github.example.com/acme/infra.git":           "github https://github.example.com/api/v3 acme/infra",
		"ssh://git@github.example.com:2222/acme/infra.git":    "github https://github.example.com/api/v3 acme/infra",
		"https://gitlab.com/acme/ops/eu/infra.git":            "gitlab https://gitlab.com/api/v4 acme/ops/eu/infra",
		"git@gitlab.com:acme/infra.git":                       "gitlab https://gitlab.com/api/v4 acme/infra",
		"ssh://git@altssh.gitlab.com:443/acme/infra.git":      "gitlab https://gitlab.com/api/v4 acme/infra",
		"https://gitlab.example.com:8443/acme/infra.git":      "gitlab https://gitlab.example.com:8443/api/v4 acme/infra",
		"http://gitlab.lan/acme/infra.git":                    "gitlab http://gitlab.lan/api/v4 acme/infra",
		"ssh://git@git.gitlab.example.com/acme/infra.git":     "gitlab https://git.gitlab.example.com/api/v4 acme/infra",
		"https://codeberg.org/acme/infra.git":                 "gitea https://codeberg.org/api/v1 acme/infra",
		"git@gitea.com:acme/infra.git":                        "gitea https://gitea.com/api/v1 acme/infra",
		"ssh://git@forgejo.example.com:2222/acme/infra.git":   "gitea https://forgejo.example.com/api/v1 acme/infra",
		"https://gitea.example.com/git/acme/infra.git":        "gitea https://gitea.example.com/git/api/v1 acme/infra",
		"https://bitbucket.org/acme/infra.git":                "bitbucket https://api.bitbucket.org/2.0 acme/infra",
		"git@bitbucket.org:acme/infra.git":                    "bitbucket https://api.bitbucket.org/2.0 acme/infra",
	} {
		config, err := forge.Config{}.For(remote)
		if err != nil {
			t.Errorf("%s: %v", remote, err)
			continue
		}
		if got := string(config.Kind) + " " + config.URL + " " + config.Repo; got != want {
			t.Errorf("%s: got %s, want %s", remote, got, want)
		}
		if config.Token != "" {
			t.Errorf("%s: a credential was taken over", remote)
		}
	}
}

func TestARemoteWithoutAForgeSaysWhatToSet(t *testing.T) {
	for _, remote := range []string{
		"", "/srv/git/infra.git", "file:///srv/git/infra.git", "C:\\git\\infra", "../infra",
		"https://user:" + token + "@git.example.com/acme/infra.git", "git@git.example.com:acme/infra.git",
		"https://github.com/", "https://github.com/acme", "https://github.com/a/b/c", "git@github.com:infra.git",
		"https://user:" + token + "@[::1/acme/infra", "https://notgithub.com/acme/infra", "git@github.com:a/../b",
		"gitlab.\x1e:a/b", "git@[gitlab.x:1]:a/b",
	} {
		config, err := forge.Config{}.For(remote)
		if err == nil {
			t.Errorf("%q: got %+v, want an error", remote, config)
			continue
		}
		if !strings.Contains(err.Error(), "set --forge") {
			t.Errorf("%q: %v: does not say what to set", remote, err)
		}
		checkSecret(t, err)
	}
}

func TestWhatIsSetCountsBeforeTheRemote(t *testing.T) {
	for _, test := range []struct {
		set    forge.Config
		remote string
		want   string
	}{
		{forge.Config{Kind: forge.Gitea}, "git@git.example.com:acme/infra.git", "gitea https://git.example.com/api/v1 acme/infra"},
		{forge.Config{Kind: forge.Gitea}, "https://git.example.com/git/acme/infra", "gitea https://git.example.com/git/api/v1 acme/infra"},
		{forge.Config{Kind: forge.GitLab}, "https://git.example.com/a/b/c.git", "gitlab https://git.example.com/api/v4 a/b/c"},
		{forge.Config{Repo: "acme/other"}, "git@github.com:acme/infra.git", "github https://api.github.com acme/other"},
		{forge.Config{Kind: forge.GitLab, URL: "https://x.example.com/g/api/v4"}, "git@gitlab.com:a/b.git", "gitlab https://x.example.com/g/api/v4 a/b"},
		{forge.Config{Kind: forge.Gitea, URL: "https://x.example.com", Repo: "a/b"}, "/srv/git", "gitea https://x.example.com a/b"},
		{forge.Config{Kind: forge.Bitbucket, Repo: "a/b"}, "/srv/git", "bitbucket  a/b"},
	} {
		config, err := test.set.For(test.remote)
		if err != nil {
			t.Errorf("%s: %v", test.remote, err)
			continue
		}
		if got := string(config.Kind) + " " + config.URL + " " + config.Repo; got != test.want {
			t.Errorf("%s: got %s, want %s", test.remote, got, test.want)
		}
	}
}

func TestAConfigThatCannotWorkIsRefused(t *testing.T) {
	good := forge.Config{Kind: forge.Gitea, URL: "https://git.example.com", Repo: "acme/infra", Token: token}
	for want, change := range map[string]func(*forge.Config){
		"unknown kind of forge":      func(c *forge.Config) { c.Kind = "sourcehut" },
		"not of the form owner/name": func(c *forge.Config) { c.Repo = "infra" },
		"form owner/name":            func(c *forge.Config) { c.Repo = "acme/../infra" },
		"not an http(s) URL":         func(c *forge.Config) { c.URL = "git.example.com" },
		"has a user":                 func(c *forge.Config) { c.URL = "https://ada:" + token + "@git.example.com" },
		"no token":                   func(c *forge.Config) { c.Token = "" },
		"cannot be read":             func(c *forge.Config) { c.URL = "https://" + token + "@[::1" },
		"has no Apps":                func(c *forge.Config) { c.App = &forge.App{ID: "1"} },
		"read the GitHub App's key":  func(c *forge.Config) { c.Kind, c.App = forge.GitHub, &forge.App{ID: "1", Key: token} },
		"has no ID":                  func(c *forge.Config) { c.Kind, c.App = forge.GitHub, &forge.App{} },
		"forge's certificates":       func(c *forge.Config) { c.CAFile = "/nowhere" },
	} {
		config := good
		change(&config)
		_, err := forge.New(config)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
		checkSecret(t, err)
	}
}

func TestPagesAreWherePeopleLook(t *testing.T) {
	for _, test := range []struct {
		kind                     forge.Kind
		url                      string
		wantBranch, wantOfCommit string
	}{
		{forge.GitHub, "https://api.github.com", "https://github.com/acme/infra/commits/gitsync/state", "https://github.com/acme/infra/commit/" + commit},
		{forge.GitHub, "https://api.acme.ghe.com", "https://acme.ghe.com/acme/infra/commits/gitsync/state", "https://acme.ghe.com/acme/infra/commit/" + commit},
		{forge.GitHub, "https://x.example.com/api/v3/", "https://x.example.com/acme/infra/commits/gitsync/state", "https://x.example.com/acme/infra/commit/" + commit},
		{forge.GitLab, "https://x.example.com/gitlab", "https://x.example.com/gitlab/acme/infra/-/commits/gitsync/state", "https://x.example.com/gitlab/acme/infra/-/commit/" + commit},
		{forge.Gitea, "http://x.example.com:3000", "http://x.example.com:3000/acme/infra/commits/branch/gitsync/state", "http://x.example.com:3000/acme/infra/commit/" + commit},
		{forge.Bitbucket, "", "https://bitbucket.org/acme/infra/commits/branch/gitsync%2Fstate", "https://bitbucket.org/acme/infra/commits/" + commit},
	} {
		client := newClient(t, test.kind, test.url)
		if got := client.Page("gitsync/state", ""); got != test.wantBranch {
			t.Errorf("branch: got %s, want %s", got, test.wantBranch)
		}
		if got := client.Page("", commit); got != test.wantOfCommit {
			t.Errorf("commit: got %s, want %s", got, test.wantOfCommit)
		}
	}
}

// FuzzDetect looks for remotes that make a client of an address or a repo that nobody
// meant, and for errors that tell a password.
func FuzzDetect(f *testing.F) {
	for _, seed := range []string{
		"https://github.com/acme/infra.git", "git@gitlab.com:a/b/c.git", "ssh://git@gitea.example.com:22/a/b",
		"https://u:p@github.com/../x", "git@[::1]:a/b", "gitlab.x:/a//b.git", "://", "a@b@github.com:x/y", "https://github.com:0x/a/b",
		"gitlab.\x1e:a/b", "git@[gitlab.x:1]:a/b",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, remote string) {
		config, err := forge.Config{}.For(remote)
		if err != nil {
			return
		}
		base, err := url.Parse(config.URL)
		if err != nil || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
			t.Fatalf("%q: the base %q is no address", remote, config.URL)
		}
		for part := range strings.SplitSeq(config.Repo, "/") {
			if part == "" || part == "." || part == ".." {
				t.Fatalf("%q: the repo %q has the part %q", remote, config.Repo, part)
			}
		}
		config.Token = "t"
		client, err := forge.New(config)
		if err != nil {
			t.Fatalf("%q: no client of what was found: %v", remote, err)
		}
		page, err := url.Parse(client.Page("main", ""))
		if err != nil || page.Host == "" {
			t.Fatalf("%q: no page", remote)
		}
	})
}
