package forge_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/gitsync/gitsync/report/forge"
)

func onWeb1(state forge.State) forge.Deployment {
	return forge.Deployment{
		Commit: commit, Branch: "main", Environment: "web1", State: state,
		Description: "3 containers", TargetURL: "https://status.example.com/",
	}
}

const (
	githubList     = "GET /api/v3/repos/acme/infra/deployments?environment=web1&per_page=30"
	githubStatuses = "GET /api/v3/repos/acme/infra/deployments/5/statuses?per_page=1"
	githubPost     = "POST /api/v3/repos/acme/infra/deployments/5/statuses"
	gitlabList     = "GET /api/v4/projects/acme%2Finfra/deployments?environment=web1&order_by=id&per_page=30&sort=desc"
	gitlabPost     = "POST /api/v4/projects/acme%2Finfra/deployments"
)

func githubCreate() exchange {
	return exchange{
		ask: "POST /api/v3/repos/acme/infra/deployments", status: http.StatusCreated, answer: `{"id": 5}`,
		body: `{"ref": "` + commit + `", "auto_merge": false, "required_contexts": [], "environment": "web1",
			"description": "3 containers", "transient_environment": false, "production_environment": false}`,
	}
}

func githubSay(state string) exchange {
	return exchange{
		ask: githubPost, status: http.StatusCreated,
		body: `{"state": "` + state + `", "log_url": "https://status.example.com/", "description": "3 containers"}`,
	}
}

func TestGitHubDeploymentsAreMadeOnceAndCarriedOn(t *testing.T) {
	there := exchange{ask: githubList, answer: `[{"id": 5, "sha": "` + commit + `"}, {"id": 4, "sha": "` + older + `"}]`}
	onlyOlder := exchange{ask: githubList, answer: `[{"id": 4, "sha": "` + older + `"}]`}
	overtaken := exchange{ask: githubList, answer: `[{"id": 6, "sha": "` + older + `"}, {"id": 5, "sha": "` + commit + `"}]`}
	says := func(state string) exchange {
		return exchange{ask: githubStatuses, answer: `[{"state": "` + state + `", "description": "3 containers", "log_url": "https://status.example.com/"}]`}
	}
	for name, test := range map[string]struct {
		state forge.State
		want  []exchange
	}{
		"the first one":                  {forge.Pending, []exchange{{ask: githubList, answer: `[]`}, githubCreate(), githubSay("in_progress")}},
		"another commit":                 {forge.Success, []exchange{onlyOlder, githubCreate(), githubSay("success")}},
		"the same commit":                {forge.Success, []exchange{there, says("in_progress"), githubSay("success")}},
		"nothing new":                    {forge.Success, []exchange{there, says("success")}},
		"could not be decided":           {forge.Error, []exchange{there, says("success"), githubSay("error")}},
		"without a status yet":           {forge.Failure, []exchange{there, {ask: githubStatuses, answer: `[]`}, githubSay("failure")}},
		"told late, another is newer":    {forge.Failure, []exchange{overtaken, says("in_progress"), githubSay("failure")}},
		"back to a commit that was left": {forge.Success, []exchange{overtaken, says("inactive"), githubCreate(), githubSay("success")}},
	} {
		t.Run(name, func(t *testing.T) {
			server := newForge(t, test.want...)
			if err := newClient(t, forge.GitHub, server.URL).Deployment(t.Context(), onWeb1(test.state)); err != nil {
				t.Fatal(err)
			}
			server.checkHeader(t, "Authorization", "Bearer "+token)
		})
	}
}

func TestGitLabDeploymentsAreMadeOnceAndCarriedOn(t *testing.T) {
	list := func(answer string) exchange { return exchange{ask: gitlabList, answer: answer} }
	ours := func(status string) string { return `{"id": 5, "sha": "` + commit + `", "status": "` + status + `"}` }
	other := `{"id": 6, "sha": "` + older + `", "status": "success"}`
	create := func(status string) exchange {
		return exchange{
			ask: gitlabPost, status: http.StatusCreated,
			body: `{"environment": "web1", "sha": "` + commit + `", "ref": "main", "tag": false, "status": "` + status + `"}`,
		}
	}
	update := func(status string) exchange {
		return exchange{ask: "PUT /api/v4/projects/acme%2Finfra/deployments/5", body: `{"status": "` + status + `"}`}
	}
	for name, test := range map[string]struct {
		state forge.State
		want  []exchange
	}{
		"the first one":                  {forge.Pending, []exchange{list(`[]`), create("running")}},
		"another commit":                 {forge.Success, []exchange{list(`[` + other + `]`), create("success")}},
		"under way":                      {forge.Success, []exchange{list(`[` + ours("running") + `]`), update("success")}},
		"nothing new":                    {forge.Success, []exchange{list(`[` + ours("success") + `]`)}},
		"still under way":                {forge.Pending, []exchange{list(`[` + ours("running") + `]`)}},
		"finished, and again":            {forge.Pending, []exchange{list(`[` + ours("failed") + `]`), create("running")}},
		"told late, another is newer":    {forge.Error, []exchange{list(`[` + other + `,` + ours("running") + `]`), update("failed")}},
		"back to a commit that was left": {forge.Success, []exchange{list(`[` + other + `,` + ours("success") + `]`), create("success")}},
	} {
		t.Run(name, func(t *testing.T) {
			server := newForge(t, test.want...)
			if err := newClient(t, forge.GitLab, server.URL).Deployment(t.Context(), onWeb1(test.state)); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestForgesWithoutDeploymentsSaySo(t *testing.T) {
	for _, kind := range []forge.Kind{forge.Gitea, forge.Bitbucket} {
		server := newForge(t)
		err := newClient(t, kind, server.URL).Deployment(t.Context(), onWeb1(forge.Success))
		if !errors.Is(err, forge.ErrUnsupported) {
			t.Errorf("%s: got %v, want ErrUnsupported", kind, err)
		}
	}
}

func TestADeploymentThatCannotBeIsRefusedUnasked(t *testing.T) {
	server := newForge(t)
	client := newClient(t, forge.GitHub, server.URL)
	for _, change := range []func(*forge.Deployment){
		func(d *forge.Deployment) { d.Commit = "main" },
		func(d *forge.Deployment) { d.Environment = "" },
		func(d *forge.Deployment) { d.State = forge.Warning },
	} {
		deployment := onWeb1(forge.Success)
		change(&deployment)
		if err := client.Deployment(t.Context(), deployment); !errors.Is(err, forge.ErrRefused) {
			t.Errorf("%+v: got %v, want ErrRefused", deployment, err)
		}
	}
}

func TestADeploymentThatIsNotAllowedSaysWhatIsNeeded(t *testing.T) {
	server := newForge(t, exchange{ask: githubList, status: http.StatusForbidden, answer: `{"message": "no"}`})
	err := newClient(t, forge.GitHub, server.URL).Deployment(t.Context(), onWeb1(forge.Success))
	want := `not allowed: GET /repos/acme/infra/deployments: 403 Forbidden, "no": the token needs the permission "Deployments: read and write" (classic: the scope repo_deployment)`
	if !errors.Is(err, forge.ErrAuth) || err.Error()[len(err.Error())-len(want):] != want {
		t.Errorf("got %v, want it to end in %s", err, want)
	}
}
