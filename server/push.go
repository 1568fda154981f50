package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
)

// kind is what an event means to us.
type kind int

const (
	// unknown is the event of nobody that we know.
	unknown kind = iota
	// other is an event that is no push.
	other
	ping
	push
)

// forges are the headers that name an event, and the names that matter. Gitea and Forgejo
// send GitHub's header beside their own, with the same name in it.
var forges = []struct {
	name, header string
	pushes       []string
	ping         string
}{
	{"Forgejo", "X-Forgejo-Event", []string{"push"}, ""},
	{"Gitea", "X-Gitea-Event", []string{"push"}, ""},
	{"GitHub", "X-GitHub-Event", []string{"push"}, "ping"},
	{"GitLab", "X-Gitlab-Event", []string{"Push Hook", systemHook}, ""},
	{"Bitbucket", "X-Event-Key", []string{"repo:push"}, ""},
}

// systemHook is how GitLab calls all events of a whole instance; the payload has the
// event's name.
const systemHook = "System Hook"

// eventOf says which forge sent a request, and what it is about.
func eventOf(h http.Header) (forge string, event kind) {
	for _, f := range forges {
		switch name := h.Get(f.header); {
		case name == "":
		case slices.Contains(f.pushes, name):
			return f.name, push
		case name == f.ping:
			return f.name, ping
		default:
			return f.name, other
		}
	}
	return "", unknown
}

var (
	errNoJSON = errors.New("the body is not the JSON of a push")
	errNoRef  = errors.New("the push names no ref")
)

// payload is what is read of a push: of GitHub, Gitea, Forgejo and GitLab the first
// fields, of Bitbucket the last one.
type payload struct {
	Ref *string `json:"ref"`
	// EventName is GitLab's.
	EventName string `json:"event_name"`
	Push      *struct {
		Changes []struct {
			// New is null for a branch that was deleted.
			New *struct {
				Type string `json:"type"`
				Name string `json:"name"`
			} `json:"new"`
		} `json:"changes"`
	} `json:"push"`
}

// branchesOf returns the branches that a push moved; none when it moved tags, or is no
// push after all.
func branchesOf(body []byte) ([]string, error) {
	var p payload
	if err := json.Unmarshal(body, &p); err != nil {
		// The decoder's own words may quote the payload.
		return nil, errNoJSON
	}
	switch {
	case p.EventName != "" && p.EventName != "push":
		return nil, nil
	case p.Ref != nil:
		if branch, ok := strings.CutPrefix(*p.Ref, "refs/heads/"); ok && branch != "" {
			return []string{branch}, nil
		}
		return nil, nil
	case p.Push == nil:
		return nil, errNoRef
	}
	var branches []string
	for _, change := range p.Push.Changes {
		// Mercurial is long gone from Bitbucket, and its "named_branch" with it.
		if change.New != nil && change.New.Type == "branch" && change.New.Name != "" {
			branches = append(branches, change.New.Name)
		}
	}
	return branches, nil
}
