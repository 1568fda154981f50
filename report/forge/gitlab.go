package forge

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
)

// gitlab speaks to GitLab: https://docs.gitlab.com/api/commits/#commit-status and
// https://docs.gitlab.com/api/deployments/.
type gitlab struct{ *Client }

var (
	_ provider = (*gitlab)(nil)
	_ deployer = (*gitlab)(nil)
)

// gitlabStates are its words. It has no error: what could not be decided is failed.
var gitlabStates = map[State]string{
	Pending: "pending", Success: "success", Warning: "failed", Failure: "failed", Error: "failed",
}

// maxGitLabURL is how long a target may be (validates :target_url in GitLab's
// generic_commit_status.rb); a longer one would refuse the whole status.
const maxGitLabURL = 255

func (g *gitlab) words(status Status) shown {
	say := shown{gitlabStates[status.State], line(status.Description, maxDescription), status.TargetURL}
	if len(say.target) > maxGitLabURL {
		say.target = ""
	}
	return say
}

func (g *gitlab) projectPath() string { return "/projects/" + url.PathEscape(g.config.Repo) }

// newest asks for the newest status of the name in each pipeline of the commit, and takes
// the newest of them.
func (g *gitlab) newest(ctx context.Context, status Status) (shown, error) {
	const size = 100
	var found shown
	var foundID int64
	for page := 1; page <= maxPages; page++ {
		var statuses []struct {
			ID          int64  `json:"id"`
			Name        string `json:"name"`
			Status      string `json:"status"`
			Description string `json:"description"`
			TargetURL   string `json:"target_url"`
		}
		query := url.Values{
			"name": {status.Context}, "per_page": {strconv.Itoa(size)}, "page": {strconv.Itoa(page)},
		}
		path := g.projectPath() + "/repository/commits/" + status.Commit + "/statuses?" + query.Encode()
		if err := g.get(ctx, path, &statuses); err != nil {
			return shown{}, err
		}
		for _, there := range statuses {
			if there.Name == status.Context && there.ID > foundID {
				found, foundID = shown{there.Status, there.Description, there.TargetURL}, there.ID
			}
		}
		if len(statuses) < size {
			break
		}
	}
	return found, nil
}

// sameState matches GitLab's answer to a status in the state that it is in already, such as
// `Cannot transition status via :enqueue from :pending (Reason(s): …)`.
var sameState = regexp.MustCompile(`Cannot transition status via :\w+ from :(\w+)`)

func (g *gitlab) post(ctx context.Context, status Status, say shown) error {
	err := g.call(ctx, http.MethodPost, g.projectPath()+"/statuses/"+status.Commit, struct {
		State       string `json:"state"`
		Name        string `json:"name"`
		TargetURL   string `json:"target_url,omitempty"`
		Description string `json:"description"`
	}{say.state, status.Context, say.target, say.description}, nil)
	if errors.Is(err, ErrRefused) {
		if match := sameState.FindStringSubmatch(err.Error()); match != nil && match[1] == say.state {
			return nil
		}
	}
	return err
}

func (g *gitlab) page(branch, commit string) string {
	if branch == "" {
		return "/-/commit/" + url.PathEscape(commit)
	}
	return "/-/commits/" + escapePath(branch)
}

// gitlabDeploymentStates are the words for deployments, which have no pending.
var gitlabDeploymentStates = map[State]string{
	Pending: "running", Success: "success", Failure: "failed", Error: "failed",
}

// deploy carries on the newest record for the commit while it is under way, and makes a new
// one otherwise: GitLab shows the newest as what is deployed, and does not let a finished
// one change. Descriptions and targets it has none.
func (g *gitlab) deploy(ctx context.Context, deployment Deployment) error {
	say := gitlabDeploymentStates[deployment.State]
	var there []struct {
		ID     int64  `json:"id"`
		SHA    string `json:"sha"`
		Status string `json:"status"`
	}
	query := url.Values{
		"environment": {deployment.Environment}, "order_by": {"id"}, "sort": {"desc"}, "per_page": {"30"},
	}
	path := g.projectPath() + "/deployments"
	if err := g.get(ctx, path+"?"+query.Encode(), &there); err != nil {
		return err
	}
	for i, candidate := range there {
		if candidate.SHA != deployment.Commit {
			continue
		}
		if candidate.Status == say && (i == 0 || say == "running") {
			return nil
		}
		if candidate.Status == "created" || candidate.Status == "running" {
			return g.call(ctx, http.MethodPut, path+"/"+strconv.FormatInt(candidate.ID, 10), struct {
				Status string `json:"status"`
			}{say}, nil)
		}
		break
	}
	ref := deployment.Branch
	if ref == "" {
		ref = deployment.Commit
	}
	return g.call(ctx, http.MethodPost, path, struct {
		Environment string `json:"environment"`
		SHA         string `json:"sha"`
		Ref         string `json:"ref"`
		Tag         bool   `json:"tag"`
		Status      string `json:"status"`
	}{deployment.Environment, deployment.Commit, ref, false, say}, nil)
}
