package server

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// ErrNoSecret means that there is nothing to verify webhooks with.
var ErrNoSecret = errors.New("the webhook secret is empty")

// Secret is what a forge and gitsync share. It prints as nothing.
type Secret struct{ value []byte }

// NewSecret makes a secret of a text, without the byte-order mark and the white space around
// it.
//
// Errors: [ErrNoSecret].
func NewSecret(text string) (Secret, error) {
	text = strings.TrimSpace(strings.TrimPrefix(text, "\ufeff"))
	if text == "" {
		return Secret{}, ErrNoSecret
	}
	return Secret{[]byte(text)}, nil
}

// String hides the secret.
func (Secret) String() string { return "(secret)" }

// Format hides the secret, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText hides the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// The headers that prove who sent a request.
const (
	// githubSignature: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries.
	// Gitea and Forgejo send it too.
	githubSignature = "X-Hub-Signature-256"
	// bitbucketSignature: https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/.
	// GitHub and Gitea have a SHA-1 under this name.
	bitbucketSignature = "X-Hub-Signature"
	// giteaSignature: https://docs.gitea.com/usage/webhooks
	giteaSignature = "X-Gitea-Signature"
	// forgejoSignature: https://forgejo.org/docs/latest/user/webhooks/
	forgejoSignature = "X-Forgejo-Signature"
	// gitlabToken: https://docs.gitlab.com/user/project/integrations/webhooks/
	gitlabToken = "X-Gitlab-Token" //nolint:gosec // the name of a header
)

// proof is one header of a request: a token, or a signature of the body.
type proof struct {
	value string
	token bool
}

// proofs returns what a request carries. A SHA-1 is none.
func proofs(h http.Header) []proof {
	var found []proof
	for _, name := range []string{githubSignature, bitbucketSignature, giteaSignature, forgejoSignature, gitlabToken} {
		for _, value := range h.Values(name) {
			hub := name == githubSignature || name == bitbucketSignature
			digits, prefixed := strings.CutPrefix(value, "sha256=")
			switch {
			case hub && !prefixed:
			case hub:
				found = append(found, proof{value: digits})
			default:
				found = append(found, proof{value: value, token: name == gitlabToken})
			}
		}
	}
	return found
}

// verify says whether there is a proof, and whether all of them are right.
func (s Secret) verify(proofs []proof, body []byte) bool {
	if len(s.value) == 0 {
		return false
	}
	mac := hmac.New(sha256.New, s.value)
	mac.Write(body)
	want := mac.Sum(nil)
	valid := len(proofs) > 0
	for _, p := range proofs {
		if p.token {
			// Their digests are compared, so that the time does not tell the length.
			got, own := sha256.Sum256([]byte(p.value)), sha256.Sum256(s.value)
			valid = subtle.ConstantTimeCompare(got[:], own[:]) == 1 && valid
			continue
		}
		got, err := hex.DecodeString(p.value)
		valid = err == nil && hmac.Equal(got, want) && valid
	}
	return valid
}
