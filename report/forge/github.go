package forge

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

// github speaks to GitHub and GitHub Enterprise:
// https://docs.github.com/en/rest/commits/statuses and …/rest/deployments.
type github struct{ *Client }

var (
	_ provider = (*github)(nil)
	_ deployer = (*github)(nil)
)

func (g *github) words(status Status) shown {
	say := shown{string(status.State), line(status.Description, maxDescription), status.TargetURL}
	if status.State == Warning {
		say.state = string(Failure)
	}
	return say
}

// newest asks for the combined status, which has the newest one of each context, and so is
// short however many were posted.
func (g *github) newest(ctx context.Context, status Status) (shown, error) {
	const size = 100
	for page := 1; page <= maxPages; page++ {
		var combined struct {
			Statuses []struct {
				Context     string `json:"context"`
				State       string `json:"state"`
				Description string `json:"description"`
				TargetURL   string `json:"target_url"`
			} `json:"statuses"`
		}
		path := g.repoPath("/commits/%s/status?per_page=%d&page=%d", status.Commit, size, page)
		if err := g.get(ctx, path, &combined); err != nil {
			return shown{}, err
		}
		for _, there := range combined.Statuses {
			if there.Context == status.Context {
				return shown{there.State, there.Description, there.TargetURL}, nil
			}
		}
		if len(combined.Statuses) < size {
			break
		}
	}
	return shown{}, nil
}

func (g *github) post(ctx context.Context, status Status, say shown) error {
	return g.call(ctx, http.MethodPost, g.repoPath("/statuses/%s", status.Commit), struct {
		State       string `json:"state"`
		TargetURL   string `json:"target_url,omitempty"`
		Description string `json:"description"`
		Context     string `json:"context"`
	}{say.state, say.target, say.description, status.Context}, nil)
}

func (g *github) page(branch, commit string) string {
	if branch == "" {
		return "/commit/" + url.PathEscape(commit)
	}
	return "/commits/" + escapePath(branch)
}

type githubDeployment struct {
	ID  int64  `json:"id"`
	SHA string `json:"sha"`
}

type githubDeploymentStatus struct {
	State       string `json:"state"`
	Description string `json:"description"`
	LogURL      string `json:"log_url"`
}

// underWay tells whether more is to come of a deployment whose newest status this is.
func (s githubDeploymentStatus) underWay() bool {
	return s.State == "" || s.State == "in_progress" || s.State == "queued" || s.State == "pending"
}

func (g *github) deploy(ctx context.Context, deployment Deployment) error {
	say := githubDeploymentStatus{string(deployment.State), line(deployment.Description, maxDescription), deployment.TargetURL}
	if deployment.State == Pending {
		say.State = "in_progress"
	}
	id, now, err := g.record(ctx, deployment)
	if err != nil {
		return err
	}
	if id == 0 {
		if id, err = g.createDeployment(ctx, deployment); err != nil {
			return err
		}
	}
	if now == say {
		return nil
	}
	// Older records of the environment that were a success become inactive by themselves.
	return g.call(ctx, http.MethodPost, g.repoPath("/deployments/%d/statuses", id), struct {
		State       string `json:"state"`
		LogURL      string `json:"log_url,omitempty"`
		Description string `json:"description"`
	}{say.State, say.LogURL, say.Description}, nil)
}

// record finds the deployment to carry on, and its newest status; 0 when there is none. A
// commit that is deployed again after another one gets a new record: the newest record of
// an environment is what GitHub shows as deployed.
func (g *github) record(ctx context.Context, deployment Deployment) (int64, githubDeploymentStatus, error) {
	var none githubDeploymentStatus
	var there []githubDeployment
	query := url.Values{"environment": {deployment.Environment}, "per_page": {"30"}}
	if err := g.get(ctx, g.repoPath("/deployments?%s", query.Encode()), &there); err != nil {
		return 0, none, err
	}
	for i, candidate := range there { // newest first
		if candidate.SHA != deployment.Commit {
			continue
		}
		var statuses []githubDeploymentStatus
		if err := g.get(ctx, g.repoPath("/deployments/%d/statuses?per_page=1", candidate.ID), &statuses); err != nil {
			return 0, none, err
		}
		now := none
		if len(statuses) > 0 {
			now = statuses[0]
		}
		if i == 0 || now.underWay() {
			return candidate.ID, now, nil
		}
		break
	}
	return 0, none, nil
}

func (g *github) createDeployment(ctx context.Context, deployment Deployment) (int64, error) {
	var created githubDeployment
	err := g.call(ctx, http.MethodPost, g.repoPath("/deployments"), struct {
		Ref                   string   `json:"ref"`
		AutoMerge             bool     `json:"auto_merge"`
		RequiredContexts      []string `json:"required_contexts"`
		Environment           string   `json:"environment"`
		Description           string   `json:"description"`
		TransientEnvironment  bool     `json:"transient_environment"`
		ProductionEnvironment bool     `json:"production_environment"`
	}{
		// The hash, not the branch, which may have moved on. No required contexts: the
		// commit is deployed already, whatever its checks say.
		Ref: deployment.Commit, RequiredContexts: []string{}, Environment: deployment.Environment,
		Description: line(deployment.Description, maxDescription),
	}, &created)
	if err == nil && created.ID == 0 {
		err = fmt.Errorf("%w: GitHub made no deployment", ErrRefused)
	}
	return created.ID, err
}
