package forge

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
)

const (
	maxAnswer    = 4 << 20
	maxTokenFile = 64 << 10
	maxPages     = 10
	maxRedirects = 5
)

// get asks for path, below the API's base, and decodes the answer into answer.
func (c *Client) get(ctx context.Context, path string, answer any) error {
	return c.call(ctx, http.MethodGet, path, nil, answer)
}

// call makes a request with body as JSON, and decodes the answer into answer. Either may
// be nil. What is wrong with an answer is told by [Client.answerError].
func (c *Client) call(ctx context.Context, method, path string, body, answer any) error {
	authorize, err := c.authorization(ctx)
	if err != nil {
		return err
	}
	err = c.send(ctx, method, path, authorize, body, answer)
	if c.app != nil && errors.Is(err, ErrAuth) {
		c.app.forget()
	}
	return err
}

// header is how a request says who we are.
type header struct{ name, value string }

// authorization is the header for the next request.
func (c *Client) authorization(ctx context.Context) (header, error) {
	if c.app != nil {
		token, err := c.app.token(ctx)
		return header{"Authorization", "Bearer " + token}, err
	}
	token := string(c.config.Token)
	if token == "" {
		var err error
		if token, err = readToken(c.config.TokenFile); err != nil {
			return header{}, err
		}
	}
	switch {
	case c.config.Kind == GitLab:
		return header{"PRIVATE-TOKEN", token}, nil
	case c.config.Kind == Gitea:
		return header{"Authorization", "token " + token}, nil
	case c.config.Kind == Bitbucket && strings.Contains(token, ":"):
		return header{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(token))}, nil
	}
	return header{"Authorization", "Bearer " + token}, nil
}

func readToken(name string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("%w: read the forge's token: %w", ErrAuth, err)
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(io.LimitReader(file, maxTokenFile))
	if err != nil {
		return "", fmt.Errorf("%w: read the forge's token: %w", ErrAuth, err)
	}
	token := strings.TrimSpace(strings.TrimPrefix(string(content), "\ufeff"))
	if token == "" || strings.ContainsAny(token, "\r\n") {
		return "", fmt.Errorf("%w: the file with the forge's token, %s, does not have one line", ErrAuth, name)
	}
	return token, nil
}

// send is call, with who we are given.
func (c *Client) send(ctx context.Context, method, path string, authorize header, body, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	asked := method + " " + strings.SplitN(path, "?", 2)[0]
	request, err := c.request(ctx, method, path, authorize, body)
	if err != nil {
		return err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("%s: %w", asked, withoutURL(err))
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err == nil && len(content) > maxAnswer {
		err = fmt.Errorf("%w: the answer is longer than %d bytes", ErrRefused, maxAnswer)
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return c.answerError(method, path, response, content)
	}
	if err != nil {
		return fmt.Errorf("%s: read the answer: %w", asked, err)
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(content, answer); err != nil {
		return fmt.Errorf("%w: %s: the answer is not that of a %s API (%w): check --forge and --forge-url",
			ErrRefused, asked, c.config.Kind, err)
	}
	return nil
}

func (c *Client) request(ctx context.Context, method, path string, authorize header, body any) (*http.Request, error) {
	var reader io.Reader
	if body != nil {
		content, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", method, path, err)
		}
		reader = bytes.NewReader(content)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base.String()+path, reader)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, withoutURL(err))
	}
	request.Header.Set(authorize.name, authorize.value)
	request.Header.Set("User-Agent", "gitsync")
	request.Header.Set("Accept", "application/json")
	if c.config.Kind == GitHub {
		request.Header.Set("Accept", "application/vnd.github+json")
		request.Header.Set("X-GitHub-Api-Version", "2022-11-28")
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	return request, nil
}

// checkRedirect lets requests be redirected on the same host only. The standard library
// would send the token on to subdomains and to other ports, and headers that it does not
// know, such as GitLab's, anywhere; and it would make a GET of a POST.
func checkRedirect(request *http.Request, via []*http.Request) error {
	first := via[0]
	switch {
	case request.URL.Scheme != first.URL.Scheme || request.URL.Host != first.URL.Host:
		return fmt.Errorf("%w: it redirects to %s://%s, where the token is not sent: is that the address for --forge-url?",
			ErrRefused, request.URL.Scheme, request.URL.Host)
	case request.Method != first.Method:
		return fmt.Errorf("%w: it redirects a %s in a way that loses what was sent: was the repo renamed? set --forge-repo",
			ErrRefused, first.Method)
	case len(via) > maxRedirects:
		return fmt.Errorf("%w: more than %d redirects", ErrRefused, maxRedirects)
	}
	return nil
}

// withoutURL is the cause of an error of the HTTP client: the request is named already.
func withoutURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
