package forge

import (
	"context"
	"net/http"
	"net/url"
)

// gitea speaks to Gitea and Forgejo: the repository part of their API's description, at
// /api/swagger of each.
type gitea struct{ *Client }

var _ provider = (*gitea)(nil)

func (g *gitea) words(status Status) shown {
	return shown{string(status.State), line(status.Description, maxDescription), status.TargetURL}
}

// newest asks for the combined status, which has the newest one of each context.
func (g *gitea) newest(ctx context.Context, status Status) (shown, error) {
	// What a page has by Gitea's defaults: 50 at most, 30 when nothing is said. One that is
	// set to fewer is taken to have no more after its first page.
	const size, full = 50, 30
	for page := 1; page <= maxPages; page++ {
		var combined struct {
			Statuses []struct {
				Context     string `json:"context"`
				State       string `json:"status"`
				Description string `json:"description"`
				TargetURL   string `json:"target_url"`
			} `json:"statuses"`
		}
		path := g.repoPath("/commits/%s/status?limit=%d&page=%d", status.Commit, size, page)
		if err := g.get(ctx, path, &combined); err != nil {
			return shown{}, err
		}
		for _, there := range combined.Statuses {
			if there.Context == status.Context {
				return shown{there.State, there.Description, there.TargetURL}, nil
			}
		}
		if len(combined.Statuses) < full {
			break
		}
	}
	return shown{}, nil
}

func (g *gitea) post(ctx context.Context, status Status, say shown) error {
	return g.call(ctx, http.MethodPost, g.repoPath("/statuses/%s", status.Commit), struct {
		State       string `json:"state"`
		TargetURL   string `json:"target_url"`
		Description string `json:"description"`
		Context     string `json:"context"`
	}{say.state, say.target, say.description, status.Context}, nil)
}

func (g *gitea) page(branch, commit string) string {
	if branch == "" {
		return "/commit/" + url.PathEscape(commit)
	}
	return "/commits/branch/" + escapePath(branch)
}
