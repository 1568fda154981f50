package forge_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-github/v89/github"

	"github.com/gitsync/gitsync/report/forge"
)

func githubLibrary(t *testing.T, server *recorder) *github.Client {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	client, err := github.NewClient(github.WithEnterpriseURLs(server.URL, server.URL), github.WithAuthToken(token),
		github.WithHTTPClient(&http.Client{Transport: transport}))
	must(t, err)
	return client
}

func TestGitHubIsAskedAsItsLibraryAsks(t *testing.T) {
	server := record(t, func(ask string) any {
		switch {
		case strings.HasSuffix(ask, "/status"):
			return github.CombinedStatus{State: new("pending")}
		case strings.HasSuffix(ask, "/deployments") && strings.HasPrefix(ask, "GET"):
			return []*github.Deployment{{ID: new(int64(5)), SHA: new(commit)}}
		case strings.HasPrefix(ask, "GET"):
			return []*github.DeploymentStatus{{State: new("in_progress")}}
		}
		return github.RepoStatus{ID: new(int64(1))}
	})
	client := open(t, forge.GitHub, server.URL)
	must(t, client.Status(t.Context(), succeeded()))
	must(t, client.Deployment(t.Context(), deployment(forge.Success)))
	ours := server.take()

	library := githubLibrary(t, server).Repositories
	_, _, err := library.GetCombinedStatus(t.Context(), "acme", "infra", commit, &github.ListOptions{Page: 1, PerPage: 100})
	must(t, err)
	_, _, err = library.CreateStatus(t.Context(), "acme", "infra", commit, github.RepoStatus{
		State: new("success"), Context: new(deploy), Description: new("14 hosts"), TargetURL: new(target),
	})
	must(t, err)
	_, _, err = library.ListDeployments(t.Context(), "acme", "infra", &github.DeploymentsListOptions{
		Environment: "web1", ListOptions: github.ListOptions{PerPage: 30},
	})
	must(t, err)
	_, _, err = library.ListDeploymentStatuses(t.Context(), "acme", "infra", 5, &github.ListOptions{PerPage: 1})
	must(t, err)
	_, _, err = library.CreateDeploymentStatus(t.Context(), "acme", "infra", 5, github.DeploymentStatusRequest{
		State: "success", LogURL: new(target), Description: new("3 containers"),
	})
	must(t, err)
	sameRequests(t, ours, server.take())
	server.checkHeaders(t, "Authorization")
}

func TestANewDeploymentIsMadeAsGitHubsLibraryMakesIt(t *testing.T) {
	server := record(t, func(ask string) any {
		if strings.HasPrefix(ask, "GET") {
			return []*github.Deployment{}
		}
		return github.Deployment{ID: new(int64(7))}
	})
	must(t, open(t, forge.GitHub, server.URL).Deployment(t.Context(), deployment(forge.Pending)))
	ours := server.take()

	library := githubLibrary(t, server).Repositories
	_, _, err := library.CreateDeployment(t.Context(), "acme", "infra", github.DeploymentRequest{
		Ref: commit, AutoMerge: new(false), RequiredContexts: []string{}, Environment: new("web1"),
		Description: new("3 containers"), TransientEnvironment: new(false), ProductionEnvironment: new(false),
	})
	must(t, err)
	_, _, err = library.CreateDeploymentStatus(t.Context(), "acme", "infra", 7, github.DeploymentStatusRequest{
		State: "in_progress", LogURL: new(target), Description: new("3 containers"),
	})
	must(t, err)
	sameRequests(t, ours[1:], server.take())
}

func TestWhatGitHubAnswersIsUnderstood(t *testing.T) {
	server := record(t, func(string) any {
		return github.CombinedStatus{State: new("success"), Statuses: []*github.RepoStatus{
			{ID: new(int64(1)), Context: new("ci"), State: new("failure")},
			{ID: new(int64(2)), Context: new(deploy), State: new("success"), Description: new("14 hosts"), TargetURL: new(target)},
		}}
	})
	must(t, open(t, forge.GitHub, server.URL).Status(t.Context(), succeeded()))
	if asked := server.take(); len(asked) != 1 {
		t.Errorf("got %d requests, want the look alone: %+v", len(asked), asked)
	}
}

func TestAnAppSignsInAsGitHubsLibraryDoes(t *testing.T) {
	server := record(t, func(ask string) any {
		switch {
		case strings.HasSuffix(ask, "/installation"):
			return github.Installation{ID: new(int64(77))}
		case strings.HasSuffix(ask, "/access_tokens"):
			return github.InstallationToken{Token: new("ghs_1"), ExpiresAt: &github.Timestamp{Time: time.Now().Add(time.Hour)}}
		}
		return github.CombinedStatus{}
	})
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	client := open(t, forge.GitHub, server.URL, func(c *forge.Config) {
		c.Token, c.App = "", &forge.App{ID: "12345", Key: forge.Secret(pem.EncodeToMemory(block))}
	})
	must(t, client.Status(t.Context(), succeeded()))
	ours := server.take()

	library := githubLibrary(t, server).Apps
	_, _, err = library.GetRepositoryInstallation(t.Context(), "acme", "infra")
	must(t, err)
	_, _, err = library.CreateInstallationToken(t.Context(), 77, &github.InstallationTokenOptions{Repositories: []string{"infra"}})
	must(t, err)
	sameRequests(t, ours[:2], server.take())
}
