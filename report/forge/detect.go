package forge

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// known are the forges that anybody may use, by the host in their remotes.
var known = map[string]Kind{
	"github.com":    GitHub,
	"gitlab.com":    GitLab,
	"bitbucket.org": Bitbucket,
	"codeberg.org":  Gitea,
	"gitea.com":     Gitea,
}

// aliases are hosts for SSH only, mostly on port 443, and whose they are.
var aliases = map[string]string{
	"ssh.github.com":       "github.com",
	"altssh.gitlab.com":    "gitlab.com",
	"altssh.bitbucket.org": "bitbucket.org",
}

// labels in the name of a host tell what it runs.
var labels = map[string]Kind{
	"github":  GitHub,
	"gitlab":  GitLab,
	"gitea":   Gitea,
	"forgejo": Gitea,
}

// For is c, with what it leaves open taken from a Git remote: the URL of a clone by http(s)
// or SSH, or user@host:path. It knows github.com, *.ghe.com, gitlab.com, bitbucket.org,
// codeberg.org and gitea.com, and hosts with the name of a forge in theirs, such as
// gitlab.example.com. A Kind that is set counts, whatever the host is called. Credentials in
// the remote are not taken over.
func (c Config) For(remote string) (Config, error) {
	if c.Kind != "" && c.Repo != "" && (c.URL != "" || c.Kind == Bitbucket) {
		return c, nil
	}
	at, err := parseRemote(remote)
	if err != nil {
		return Config{}, err
	}
	if c.Kind == "" {
		if c.Kind = kindOf(at.host); c.Kind == "" {
			return Config{}, fmt.Errorf(
				"%s is not a forge that is known by its name: set --forge to one of %v, and --forge-url to the base of its API",
				at.host, Kinds())
		}
	}
	prefix, repo := at.split(c.Kind)
	if c.Repo == "" {
		c.Repo = repo
	}
	if c.URL == "" {
		c.URL = at.api(c.Kind, prefix)
	}
	if err := c.checkRepo(); err != nil {
		return Config{}, fmt.Errorf("find the forge of the remote at %s: %w", at.host, err)
	}
	return c, nil
}

func kindOf(host string) Kind {
	if kind, ok := known[host]; ok {
		return kind
	}
	if strings.HasSuffix(host, ".ghe.com") {
		return GitHub
	}
	for label := range strings.SplitSeq(host, ".") {
		if kind, ok := labels[label]; ok {
			return kind
		}
	}
	return ""
}

// location is what a remote says about its forge.
type location struct {
	scheme string // of the API: http or https
	host   string // in lower case, without the port
	port   string // of the API; empty for the scheme's own
	path   []string
	web    bool // the remote is http(s), so that its path is the forge's
}

// parseRemote reads a remote. Its errors do not quote it, since it may hold a password.
func parseRemote(remote string) (location, error) {
	const advice = "set --forge, --forge-url and --forge-repo"
	if !strings.Contains(remote, "://") {
		return parseSCP(remote, advice)
	}
	parsed, err := url.Parse(remote)
	if err != nil {
		return location{}, errors.New("the remote is not a URL that can be read: " + advice)
	}
	at := location{scheme: "https", host: parsed.Hostname(), path: segments(parsed.Path)}
	switch parsed.Scheme {
	case "https", "http":
		at.scheme, at.port, at.web = parsed.Scheme, parsed.Port(), true
	case "ssh", "git+ssh", "ssh+git", "git":
		// Their port is not the API's.
	default:
		return location{}, fmt.Errorf("a %s:// remote has no forge: %s", parsed.Scheme, advice)
	}
	return at.checked(advice)
}

// parseSCP reads user@host:path, as scp has it.
func parseSCP(remote, advice string) (location, error) {
	host, path, ok := strings.Cut(remote, ":")
	if strings.HasPrefix(remote, "[") || strings.Contains(remote, "@[") { // an IPv6 address
		var rest string
		host, rest, ok = strings.Cut(remote, "]")
		path = strings.TrimPrefix(rest, ":")
	}
	if !ok || strings.ContainsAny(host, "/\\") {
		return location{}, errors.New("a remote that is a path has no forge: " + advice)
	}
	host = host[strings.LastIndex(host, "@")+1:]
	at := location{scheme: "https", host: strings.TrimPrefix(host, "["), path: segments(path)}
	return at.checked(advice)
}

func (at location) checked(advice string) (location, error) {
	at.host = strings.TrimSuffix(strings.ToLower(at.host), ".")
	if canonical, ok := aliases[at.host]; ok {
		at.host = canonical
	}
	if !isHost(at.host) || len(at.path) < 2 {
		return location{}, errors.New("the remote does not name a host, an owner and a repo: " + advice)
	}
	return at, nil
}

// isHost says whether a text is an IP address or can be a host's name.
func isHost(host string) bool {
	if strings.Contains(host, ":") {
		addr, err := netip.ParseAddr(host)
		return err == nil && addr.Zone() == ""
	}
	return host != "" && !strings.ContainsFunc(host, func(r rune) bool {
		return r == utf8.RuneError || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-._", r)
	})
}

// segments are the parts of a path that count: without empty ones, and without .git.
func segments(path string) []string {
	path = strings.TrimSuffix(strings.Trim(path, "/"), ".git")
	parts := strings.Split(strings.Trim(path, "/"), "/")
	kept := parts[:0]
	for _, part := range parts {
		if part != "" {
			kept = append(kept, part)
		}
	}
	return kept
}

// split parts the path into the forge's own, below its host, and the repo's. Groups of
// GitLab are nested, so that a GitLab below a path cannot be told.
func (at location) split(kind Kind) (prefix, repo string) {
	from := 0
	if kind == Gitea && at.web {
		from = len(at.path) - 2
	}
	if from > 0 {
		prefix = "/" + strings.Join(at.path[:from], "/")
	}
	return prefix, strings.Join(at.path[from:], "/")
}

func (at location) api(kind Kind, prefix string) string {
	host := at.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if at.port != "" {
		host += ":" + at.port
	}
	switch {
	case kind == Bitbucket:
		return "https://api.bitbucket.org/2.0"
	case kind == GitHub && at.host == "github.com":
		return "https://api.github.com"
	case kind == GitHub && strings.HasSuffix(at.host, ".ghe.com"):
		return "https://api." + at.host
	}
	base := url.URL{Scheme: at.scheme, Host: host, Path: prefix + apiPaths[kind]}
	return base.String()
}
