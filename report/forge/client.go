package forge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// Client tells one repo at one forge. It may be used by many goroutines.
type Client struct {
	config   Config
	base     *url.URL // of the API, without a slash at its end
	http     *http.Client
	app      *appToken // nil for a token that is given
	provider provider
}

// provider is what differs between forges.
type provider interface {
	// words is what the forge would show for a status.
	words(Status) shown
	// newest is what the forge shows for the context of the status now; the zero value for
	// nothing.
	newest(ctx context.Context, status Status) (shown, error)
	// post makes the forge show what words returned.
	post(ctx context.Context, status Status, say shown) error
	// page is the path of a page below the repo's: that of the branch's commits, or of a
	// commit where branch is empty.
	page(branch, commit string) string
}

// deployer is a provider that keeps records of deployments.
type deployer interface {
	deploy(context.Context, Deployment) error
}

// shown is a status in a forge's words.
type shown struct {
	state, description, target string
}

// steady is the status less what may change from try to try.
func (s shown) steady() shown {
	s.description = Steady(s.description)
	return s
}

// Kind is which software the forge runs.
func (c *Client) Kind() Kind { return c.config.Kind }

// Repo is the repo's name at the forge.
func (c *Client) Repo() string { return c.config.Repo }

// Close closes idle connections. The client can be used after it.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status makes the forge show a status for a commit. When it shows the same already, by
// state, description and target, nothing is posted; see [Steady] for which descriptions are
// the same. A forge that does not let us look is told.
func (c *Client) Status(ctx context.Context, status Status) error {
	doing := "post the commit status " + status.Context
	if err := checkStatus(status); err != nil {
		return c.wrap(doing, err)
	}
	say := c.provider.words(status)
	now, err := c.provider.newest(ctx, status)
	switch {
	case errors.Is(err, errForbidden), errors.Is(err, errNotFound):
		// The token may be one that can post, and not look.
	case err != nil:
		return c.wrap(doing, err)
	case now.steady() == say.steady():
		return nil
	}
	posted := c.provider.post(ctx, status, say)
	if posted != nil && errors.Is(err, errNotFound) {
		// Gitea 1.26 answers 500 to a status for a commit that it does not have.
		return c.wrap(doing, err)
	}
	return c.wrap(doing, posted)
}

// Deployment keeps a record at the forge of a commit's deployment to an environment. It is
// [ErrUnsupported] where the forge has no such records.
func (c *Client) Deployment(ctx context.Context, deployment Deployment) error {
	doing := "record the deployment to " + deployment.Environment
	records, ok := c.provider.(deployer)
	if !ok {
		return c.wrap(doing, fmt.Errorf("%w: leave out --forge-deployments", ErrUnsupported))
	}
	if err := checkDeployment(deployment); err != nil {
		return c.wrap(doing, err)
	}
	return c.wrap(doing, records.deploy(ctx, deployment))
}

// Page is the address of the page that lists a branch's commits, for people; with an empty
// branch, of the page of a commit; with neither, of the repo.
func (c *Client) Page(branch, commit string) string {
	page := c.web() + "/" + escapePath(c.config.Repo)
	if branch == "" && commit == "" {
		return page
	}
	return page + c.provider.page(branch, commit)
}

// web is the address of the forge for people.
func (c *Client) web() string {
	web := *c.base
	web.Path = strings.TrimSuffix(web.Path, apiPaths[c.config.Kind])
	switch {
	case c.config.Kind == Bitbucket && web.Host == "api.bitbucket.org":
		web.Host, web.Path = "bitbucket.org", ""
	case hasAPIHost(c.config.Kind, c.base):
		web.Host = strings.TrimPrefix(web.Host, "api.")
	}
	return web.String()
}

// repoPath is the path of something of the repo in the APIs that have owner and name there.
func (c *Client) repoPath(format string, args ...any) string {
	return "/repos/" + escapePath(c.config.Repo) + fmt.Sprintf(format, args...)
}

// wrap adds to an error what was done, and where.
func (c *Client) wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s at %s for %s: %w", doing, c.base.Host, c.config.Repo, err)
}

var fullHash = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

func checkStatus(status Status) error {
	switch status.State {
	case Pending, Success, Warning, Failure, Error:
	default:
		return fmt.Errorf("%w: there is no state %q", ErrRefused, status.State)
	}
	if !fullHash.MatchString(status.Commit) {
		return fmt.Errorf("%w: %q is not the full hash of a commit", ErrRefused, status.Commit)
	}
	if status.Context == "" {
		return fmt.Errorf("%w: the status has no context", ErrRefused)
	}
	return nil
}

func checkDeployment(deployment Deployment) error {
	switch deployment.State {
	case Pending, Success, Failure, Error:
	default:
		return fmt.Errorf("%w: a deployment has no state %q", ErrRefused, deployment.State)
	}
	if !fullHash.MatchString(deployment.Commit) {
		return fmt.Errorf("%w: %q is not the full hash of a commit", ErrRefused, deployment.Commit)
	}
	if deployment.Environment == "" {
		return fmt.Errorf("%w: the deployment has no environment", ErrRefused)
	}
	return nil
}

// escapePath escapes each part of a path, and leaves its slashes.
func escapePath(path string) string {
	parts := strings.Split(path, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "/")
}
