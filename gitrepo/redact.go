package gitrepo

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
)

// redacted stands for what is not shown.
const redacted = "***"

// Redact is an address as it may be shown: https://***@host/path. Neither user nor
// password is left, since a token may be in the place of either, and no query. The user
// of an SSH address is no secret.
func Redact(address string) string {
	scheme, _, isURL := strings.Cut(address, "://")
	if !isURL {
		return address
	}
	u, err := url.Parse(address)
	if err != nil {
		return redacted
	}
	user, query := u.User, u.RawQuery
	u.User, u.RawQuery, u.Fragment, u.RawFragment = nil, "", "", ""
	if scheme == "ssh" || scheme == "git+ssh" {
		if user != nil {
			u.User = url.User(user.Username())
		}
		return u.String()
	}
	// Not through the URL, which would escape the stars.
	shown := u.String()
	if user != nil {
		shown = strings.Replace(shown, "://", "://"+redacted+"@", 1)
	}
	if query != "" {
		shown += "?" + redacted
	}
	return shown
}

// secretsOf are all forms in which credentials may turn up in a text, the longest first.
func secretsOf(username, password string) []string {
	var secrets []string
	if username+password != "" {
		secrets = append(secrets, base64.StdEncoding.EncodeToString([]byte(username+":"+password)))
	}
	values := []string{password}
	// A user is a token where there is no password; and a short one is an ordinary word.
	if password == "" || len(username) >= 12 {
		values = append(values, username)
	}
	for _, value := range values {
		if value != "" {
			secrets = append(secrets, value, url.QueryEscape(value), url.PathEscape(value), url.UserPassword("", value).String()[1:])
		}
	}
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(secrets)
}
