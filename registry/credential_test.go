package registry_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/registry"
)

func TestAnImageBelongsToOneRegistry(t *testing.T) {
	for image, want := range map[string]string{
		"nginx":                                "docker.io",
		"acme/app:1.0":                         "docker.io",
		"index.docker.io/acme/app":             "docker.io",
		"docker.io/library/nginx":              "docker.io",
		"registry.example.com/app":             "registry.example.com",
		"Registry.Example.COM/app":             "registry.example.com",
		"registry.example.com:5000/app:1":      "registry.example.com:5000",
		"registry.example.com:443/app:1":       "registry.example.com:443",
		"registry.example.com.evil.com/app":    "registry.example.com.evil.com",
		"evil.com/registry.example.com/app":    "evil.com",
		"registry.example.com/registry.a.b/ap": "registry.example.com",
		"localhost/app":                        "localhost",
		"localhost:5000/app":                   "localhost:5000",
		"127.0.0.1:5000/app":                   "127.0.0.1:5000",
		"[::1]:5000/app":                       "[::1]:5000",
		"registry.example.com/app:1@sha256:" + strings.Repeat("a", 64): "registry.example.com",
	} {
		got, err := registry.Of(image)
		if err != nil || got != want {
			t.Errorf("registry of %s: %q, %v, want %q", image, got, err, want)
		}
	}
	for _, image := range []string{"", "https://registry.example.com/app", "registry.example.com@evil.com/app", "a b"} {
		if got, err := registry.Of(image); err == nil {
			t.Errorf("registry of %q: %q, want an error", image, got)
		}
	}
}

func TestALoginIsGivenToItsRegistryAlone(t *testing.T) {
	resolve := func(_ context.Context, host, ref string) (string, error) { return "opened " + host + " " + ref, nil }
	otherwise := func(_ context.Context, name string) (registry.Credential, error) {
		return registry.Credential{Username: "agent", Password: name}, nil
	}
	logins := registry.Logins{"registry.example.com": {Username: "ci", Password: "${secret.registry}"}}
	credentials := logins.Over("web1", resolve, otherwise)
	for image, want := range map[string]string{
		"registry.example.com/app":          "ci opened web1 ${secret.registry}",
		"REGISTRY.example.com/app":          "ci opened web1 ${secret.registry}",
		"registry.example.com:5000/app":     "agent registry.example.com:5000",
		"registry.example.com.evil.com/app": "agent registry.example.com.evil.com",
		"evil.com/registry.example.com/app": "agent evil.com",
		"nginx":                             "agent docker.io",
	} {
		got, err := credentials.For(t.Context(), image)
		if err != nil || got.Username+" "+got.Password != want {
			t.Errorf("%s: %s %s, %v, want %s", image, got.Username, got.Password, err, want)
		}
	}
	if got, err := logins.Over("web1", resolve, nil).For(t.Context(), "nginx"); err != nil || !got.IsZero() {
		t.Errorf("nginx without other credentials: %v, %v", got, err)
	}
	if got, err := registry.Credentials(nil).For(t.Context(), "nginx"); err != nil || !got.IsZero() {
		t.Errorf("nginx without credentials: %v, %v", got, err)
	}
}

func TestALoginWhoseSecretCannotBeOpenedIsAnErrorThatNamesIt(t *testing.T) {
	logins := registry.Logins{"registry.example.com": {Username: "ci", Password: "${secret.registry}"}}
	closed := errors.New("no key opens it")
	for name, c := range map[string]struct {
		resolve registry.Resolver
		is      error
	}{
		"no resolver": {nil, registry.ErrNoSecrets},
		"an error":    {func(context.Context, string, string) (string, error) { return "", closed }, closed},
		"empty":       {func(context.Context, string, string) (string, error) { return "", nil }, nil},
	} {
		got, err := logins.Over("web1", c.resolve, nil).For(t.Context(), "registry.example.com/app")
		if err == nil || c.is != nil && !errors.Is(err, c.is) || !got.IsZero() {
			t.Errorf("%s: got %v, %v", name, got, err)
			continue
		}
		for _, part := range []string{"registry.example.com", "ci", "${secret.registry}", "web1"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v does not name %s", name, err, part)
			}
		}
	}
}

func TestACredentialPrintsAsNothingThatIsSecret(t *testing.T) {
	c := registry.Credential{Username: "ci", Password: "hunter2", IdentityToken: "t0ken"}
	raw, err := json.Marshal(struct{ C registry.Credential }{c})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		fmt.Sprint(c), fmt.Sprintf("%v %+v %#v %s %q", c, c, c, c, c), fmt.Sprintf("%+v", &c),
		fmt.Sprintf("%+v", struct{ C registry.Credential }{c}), string(raw),
	} {
		if strings.Contains(text, "hunter2") || strings.Contains(text, "t0ken") {
			t.Errorf("printed %s", text)
		}
	}
}

func TestWhatIsSecretIsTakenOutOfTextsHoweverItIsEncoded(t *testing.T) {
	for _, password := range []string{"hunter2", `p"a\s s/w+o=rd&<>%`, "pässwörd", "x"} {
		c := registry.Credential{Username: "ci", Password: password}
		quoted, err := json.Marshal(map[string]string{"password": password})
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{
			"denied: " + password, string(quoted), fmt.Sprintf("%q", password),
			base64.StdEncoding.EncodeToString([]byte(password)), base64.RawURLEncoding.EncodeToString([]byte(password)),
			"Basic " + base64.StdEncoding.EncodeToString([]byte("ci:"+password)),
			base64.URLEncoding.EncodeToString([]byte("ci:" + password)),
		} {
			got := c.Redact(text)
			if !strings.Contains(got, "***") || len(password) > 1 && strings.Contains(got, password) {
				t.Errorf("%s became %s", text, got)
			}
		}
	}
	if got := (registry.Credential{}).Redact("all of it"); got != "all of it" {
		t.Errorf("without a secret: %s", got)
	}
}

func TestOnlyNamesOfRegistriesPass(t *testing.T) {
	for _, name := range []string{"registry.example.com", "registry.example.com:5000", "docker.io", "index.docker.io", "localhost", "localhost:5000", "127.0.0.1:5000", "[::1]:5000", "ghcr.io"} {
		if problem, _ := registry.CheckName(name); problem != "" {
			t.Errorf("%s %s", name, problem)
		}
	}
	for _, name := range []string{"", "registry", "https://registry.example.com", "registry.example.com/team", "*.example.com", "registry.example.com:5000/", "a b.c", "ghcr.io/acme"} {
		if problem, _ := registry.CheckName(name); problem == "" {
			t.Errorf("%q passes", name)
		}
	}
}
