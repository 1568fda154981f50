package forge_test

import (
	"net/http"
	"strings"
	"testing"

	gitlab "gitlab.com/gitlab-org/api/client-go/v2"

	"github.com/gitsync/gitsync/report/forge"
)

func gitlabLibrary(t *testing.T, server *recorder) *gitlab.Client {
	t.Helper()
	client, err := gitlab.NewClient(token, gitlab.WithBaseURL(server.URL), gitlab.WithCustomRetryMax(0),
		gitlab.WithHTTPClient(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}))
	must(t, err)
	return client
}

func TestGitLabIsAskedAsItsLibraryAsks(t *testing.T) {
	var there []*gitlab.Deployment
	server := record(t, func(ask string) any {
		switch {
		case strings.HasSuffix(ask, "/statuses"):
			return []*gitlab.CommitStatus{{ID: 1, Name: deploy, Status: "pending"}}
		case strings.HasPrefix(ask, "GET"):
			return there
		case strings.HasSuffix(ask, commit):
			return gitlab.CommitStatus{ID: 2}
		}
		return gitlab.Deployment{ID: 9}
	})
	client := open(t, forge.GitLab, server.URL, func(c *forge.Config) { c.Repo = "acme/ops/infra" })
	must(t, client.Status(t.Context(), succeeded()))
	there = []*gitlab.Deployment{}
	must(t, client.Deployment(t.Context(), deployment(forge.Pending)))
	there = []*gitlab.Deployment{{ID: 9, SHA: commit, Status: "running"}}
	must(t, client.Deployment(t.Context(), deployment(forge.Success)))
	ours := server.take()

	library, project := gitlabLibrary(t, server), "acme/ops/infra"
	_, _, err := library.Commits.GetCommitStatuses(project, commit, &gitlab.GetCommitStatusesOptions{
		Name: new(deploy), ListOptions: gitlab.ListOptions{Page: 1, PerPage: 100},
	})
	must(t, err)
	_, _, err = library.Commits.SetCommitStatus(project, commit, &gitlab.SetCommitStatusOptions{
		State: gitlab.Success, Name: new(deploy), Description: new("14 hosts"), TargetURL: new(target),
	})
	must(t, err)
	list := &gitlab.ListProjectDeploymentsOptions{
		Environment: new("web1"), OrderBy: new("id"), Sort: new("desc"), ListOptions: gitlab.ListOptions{PerPage: 30},
	}
	_, _, err = library.Deployments.ListProjectDeployments(project, list)
	must(t, err)
	_, _, err = library.Deployments.CreateProjectDeployment(project, &gitlab.CreateProjectDeploymentOptions{
		Environment: new("web1"), SHA: new(commit), Ref: new("main"), Tag: new(false), Status: new(gitlab.DeploymentStatusRunning),
	})
	must(t, err)
	_, _, err = library.Deployments.ListProjectDeployments(project, list)
	must(t, err)
	_, _, err = library.Deployments.UpdateProjectDeployment(project, 9, &gitlab.UpdateProjectDeploymentOptions{
		Status: new(gitlab.DeploymentStatusSuccess),
	})
	must(t, err)
	sameRequests(t, ours, server.take())
	server.checkHeaders(t, "Private-Token")
}

func TestWhatGitLabAnswersIsUnderstood(t *testing.T) {
	server := record(t, func(string) any {
		return []*gitlab.CommitStatus{
			{ID: 3, Name: deploy, Status: "success", Description: "14 hosts", TargetURL: target},
			{ID: 2, Name: deploy, Status: "failed"},
		}
	})
	must(t, open(t, forge.GitLab, server.URL).Status(t.Context(), succeeded()))
	if asked := server.take(); len(asked) != 1 {
		t.Errorf("got %d requests, want the look alone: %+v", len(asked), asked)
	}
}
