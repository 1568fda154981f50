package forge

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
)

// bitbucket speaks to Bitbucket Cloud:
// https://developer.atlassian.com/cloud/bitbucket/rest/api-group-commit-statuses/.
type bitbucket struct{ *Client }

var _ provider = (*bitbucket)(nil)

// bitbucketStates are its words. Error is not STOPPED, which reads as if a person had
// stopped it, and which merge checks for failed builds let pass.
var bitbucketStates = map[State]string{
	Pending: "INPROGRESS", Success: "SUCCESSFUL", Warning: "FAILED", Failure: "FAILED", Error: "FAILED",
}

const (
	maxBitbucketKey  = 40
	maxBitbucketName = 255
)

// words has the commit's page as the target where there is none: Bitbucket wants one.
func (b *bitbucket) words(status Status) shown {
	say := shown{bitbucketStates[status.State], line(status.Description, maxDescription), status.TargetURL}
	if say.target == "" {
		say.target = b.Page("", status.Commit)
	}
	return say
}

// key is the context as Bitbucket has room for it: what is too long keeps its beginning,
// and a digest tells it from others that begin the same.
func (b *bitbucket) key(status Status) string {
	key := []rune(status.Context)
	if len(key) <= maxBitbucketKey {
		return status.Context
	}
	sum := sha256.Sum256([]byte(status.Context))
	return string(key[:maxBitbucketKey-9]) + "-" + hex.EncodeToString(sum[:4])
}

func (b *bitbucket) buildPath(status Status) string {
	return "/repositories/" + escapePath(b.config.Repo) + "/commit/" + status.Commit + "/statuses/build"
}

func (b *bitbucket) newest(ctx context.Context, status Status) (shown, error) {
	var there struct {
		State       string `json:"state"`
		Description string `json:"description"`
		URL         string `json:"url"`
	}
	err := b.get(ctx, b.buildPath(status)+"/"+url.PathEscape(b.key(status)), &there)
	if errors.Is(err, errNotFound) {
		// No status yet; if it is the commit or the repo that is not there, the post says so.
		return shown{}, nil
	}
	return shown{there.State, there.Description, there.URL}, err
}

// post makes a status, or overwrites the one with the same key.
func (b *bitbucket) post(ctx context.Context, status Status, say shown) error {
	return b.call(ctx, http.MethodPost, b.buildPath(status), struct {
		State       string `json:"state"`
		Key         string `json:"key"`
		Name        string `json:"name"`
		URL         string `json:"url"`
		Description string `json:"description"`
	}{say.state, b.key(status), line(status.Context, maxBitbucketName), say.target, say.description}, nil)
}

func (b *bitbucket) page(branch, commit string) string {
	if branch == "" {
		return "/commits/" + url.PathEscape(commit)
	}
	return "/commits/branch/" + url.PathEscape(branch)
}
