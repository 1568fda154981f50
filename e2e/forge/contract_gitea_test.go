package forge_test

import (
	"net/http"
	"strings"
	"testing"

	"code.gitea.io/sdk/gitea"

	"github.com/gitsync/gitsync/report/forge"
)

func TestGiteaIsAskedAsItsLibraryAsks(t *testing.T) {
	server := record(t, func(ask string) any {
		if strings.HasPrefix(ask, "GET") {
			return gitea.CombinedStatus{}
		}
		return gitea.Status{ID: 1}
	})
	must(t, open(t, forge.Gitea, server.URL).Status(t.Context(), succeeded()))
	ours := server.take()

	library, err := gitea.NewClient(server.URL, gitea.SetToken(token), gitea.SetGiteaVersion(""),
		gitea.SetHTTPClient(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}))
	must(t, err)
	_, _, err = library.GetCombinedStatus("acme", "infra", commit)
	must(t, err)
	_, _, err = library.CreateStatus("acme", "infra", commit, gitea.CreateStatusOption{
		State: gitea.StatusSuccess, Context: deploy, Description: "14 hosts", TargetURL: target,
	})
	must(t, err)
	theirs := server.take()
	ours[0].Query, theirs[0].Query = nil, nil // the library does not ask for a page
	sameRequests(t, ours, theirs)
	server.checkHeaders(t, "Authorization")
}

func TestWhatGiteaAnswersIsUnderstood(t *testing.T) {
	server := record(t, func(string) any {
		return gitea.CombinedStatus{Statuses: []*gitea.Status{
			{ID: 3, Context: deploy, State: gitea.StatusSuccess, Description: "14 hosts", TargetURL: target},
		}}
	})
	must(t, open(t, forge.Gitea, server.URL).Status(t.Context(), succeeded()))
	if asked := server.take(); len(asked) != 1 {
		t.Errorf("got %d requests, want the look alone: %+v", len(asked), asked)
	}
}
