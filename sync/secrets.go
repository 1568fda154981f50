package sync

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	stdsync "sync"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/registry"
	"github.com/gitsync/gitsync/secret"
	"github.com/gitsync/gitsync/state"
)

// SecretOpener opens the secrets of hosts. It is safe for concurrent use.
type SecretOpener interface {
	// Open returns values by their names. Its error holds none.
	Open(ctx context.Context, host string, sealed *secret.Sealed, names []string) (map[string]string, error)
	// External returns the names of the secrets that a host may use beside those of the
	// repo.
	External(host string) []string
	// Redact returns a text without any value that was opened.
	Redact(text string) string
}

// errNoOpener is for a syncer that was made without one.
var errNoOpener = errors.New("there is nothing that opens secrets")

// hostSecrets are the secrets of one host during one task. They are a
// container.Secrets.
//
// What tells that a secret changed is its version. The first one is the digest of its
// ciphertext. When the ciphertext changes the version stays, as long as the value is the
// same: that is known by a keyed digest of the value (MAC), which is recorded beside it.
// The key never leaves the agent, so that nobody who reads the record can guess values.
type hostSecrets struct {
	host   string
	sealed *secret.Sealed
	opener SecretOpener
	key    []byte
	// mayHave says why the host must not have a secret; nil where it may have all. mayHaveValue
	// does so of what was opened.
	mayHave      func(name string) error
	mayHaveValue func(name, value string) error
	// versions are those of now, and recorded what is to be recorded of them.
	versions map[string]string
	recorded map[string]state.Secret
	// renewed are secrets that were encrypted anew, with the same values.
	renewed []string

	mu     stdsync.Mutex
	values map[string]string
}

// prepareSecrets finds out the versions of the secrets that a host's containers use.
func (c *cycle) prepareSecrets(ctx context.Context, h *HostResult) {
	names := map[string]bool{}
	for _, m := range h.Host.Containers {
		for name := range m.Secrets {
			names[name] = true
		}
	}
	if h.Record != nil {
		for _, m := range h.Record.PreviousState {
			for name := range m.Secrets {
				names[name] = true
			}
		}
	}
	for _, from := range h.inherits {
		for name := range from.Container.Secrets {
			names[name] = true
		}
	}
	if len(names) == 0 {
		return
	}
	s := &hostSecrets{
		host: h.Name, sealed: h.Host.Sealed, opener: c.opts.Secrets, key: c.opts.SecretKey,
		mayHave: c.mayHave(h), mayHaveValue: c.mayHaveValue(h), versions: map[string]string{}, recorded: map[string]state.Secret{}, values: map[string]string{},
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		var old state.Secret
		if h.Record != nil {
			old = h.Record.Secrets[name]
		}
		if s.sealed.Has(name) {
			s.versionOfSealed(ctx, name, old)
		} else if s.opener != nil && slices.Contains(s.opener.External(s.host), name) {
			s.versionOfExternal(ctx, name, old)
		}
	}
	for _, m := range h.Host.Containers {
		for name := range m.Secrets {
			m.Secrets[name] = s.versions[name]
		}
	}
	h.secrets = s
}

// withOwnSecrets returns containers whose versions of secrets can be set: those of the loader
// are shared with other cycles.
func withOwnSecrets(containers container.ContainersState) container.ContainersState {
	var own container.ContainersState
	for key, m := range containers {
		if len(m.Secrets) == 0 {
			continue
		}
		if own == nil {
			own = maps.Clone(containers)
		}
		one := *m
		one.Secrets = maps.Clone(m.Secrets)
		own[key] = &one
	}
	if own == nil {
		return containers
	}
	return own
}

// versionOfSealed is for a secret of the repo. It is opened only when its ciphertext
// changed.
func (s *hostSecrets) versionOfSealed(ctx context.Context, name string, old state.Secret) {
	entry := s.sealed.Entries[name]
	now := state.Secret{Version: entry.Digest, Ciphertext: entry.Digest}
	switch {
	case old.Version != "" && old.Ciphertext == entry.Digest:
		now = old
	case old.Version != "" && s.comparable(old.MAC):
		values, err := s.open(ctx, []string{name})
		if err != nil {
			zerolog.Ctx(ctx).Debug().Err(err).Str("host", s.host).Str("secret", name).Msg("secrets: it changed, or was encrypted anew")
			break
		}
		if s.mac(name, values[name]) == old.MAC {
			now.Version, now.MAC = old.Version, old.MAC
			s.renewed = append(s.renewed, name)
		}
	}
	s.versions[name], s.recorded[name] = now.Version, now
}

// versionOfExternal is for a secret that has no ciphertext: its MAC alone tells. One that
// cannot be read, or compared, is taken to be what it was.
func (s *hostSecrets) versionOfExternal(ctx context.Context, name string, old state.Secret) {
	values, err := s.open(ctx, []string{name})
	switch {
	case err != nil:
		zerolog.Ctx(ctx).Warn().Err(err).Str("host", s.host).Str("secret", name).Msg("secrets: going on with what is deployed")
	case old.Version == "" || s.comparable(old.MAC) && s.mac(name, values[name]) != old.MAC:
		mac := s.mac(name, values[name])
		old = state.Secret{Version: mac, MAC: mac}
	case !s.comparable(old.MAC):
		old.MAC = s.mac(name, values[name])
	}
	s.versions[name], s.recorded[name] = old.Version, old
}

// Version implements container.Secrets.
func (s *hostSecrets) Version(name string) string { return s.versions[name] }

// Open implements container.Secrets: what it returns goes to the host.
func (s *hostSecrets) Open(ctx context.Context, names []string) (map[string]string, error) {
	for _, name := range names {
		if err := s.mayHave(name); err != nil {
			return nil, err
		}
	}
	values, err := s.open(ctx, names)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if err := s.mayHaveValue(name, values[name]); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// open opens secrets for this process. Each is opened once for a task.
func (s *hostSecrets) open(ctx context.Context, names []string) (map[string]string, error) {
	if s.opener == nil {
		return nil, errNoOpener
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	missing := slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		_, known := s.values[name]
		return known
	})
	if len(missing) > 0 {
		opened, err := s.opener.Open(ctx, s.host, s.sealed, missing)
		if err != nil {
			return nil, err
		}
		maps.Copy(s.values, opened)
	}
	values := map[string]string{}
	for _, name := range names {
		values[name] = s.values[name]
	}
	return values, nil
}

// Redact implements container.Secrets.
func (s *hostSecrets) Redact(text string) string {
	if s.opener == nil {
		return text
	}
	return s.opener.Redact(text)
}

// RedactCut is Redact for a text that may begin or end in the middle of a secret, where the
// opener knows that.
func (s *hostSecrets) RedactCut(text string) string {
	if opener, ok := s.opener.(interface{ RedactCut(text string) string }); ok {
		return opener.RedactCut(text)
	}
	return s.Redact(text)
}

// toRecord returns what is recorded of the secrets: those that were opened with their
// MACs.
func (s *hostSecrets) toRecord() map[string]state.Secret {
	if s == nil || len(s.recorded) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	recorded := maps.Clone(s.recorded)
	for name, r := range recorded {
		if value, opened := s.values[name]; opened && !s.comparable(r.MAC) && r.Version != "" {
			r.MAC = s.mac(name, value)
			recorded[name] = r
		}
	}
	return recorded
}

// forget drops the values, at the end of the task.
func (s *hostSecrets) forget() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.values)
}

// mac returns the keyed digest of a value, with what tells by which key it was made.
func (s *hostSecrets) mac(name, value string) string {
	h := hmac.New(sha256.New, s.key)
	fmt.Fprintf(h, "%d:%s%s", len(name), name, value)
	return s.keyID() + ":" + hex.EncodeToString(h.Sum(nil)[:16])
}

func (s *hostSecrets) keyID() string {
	sum := sha256.Sum256(append([]byte("gitsync key "), s.key...))
	return hex.EncodeToString(sum[:4])
}

// comparable says whether a MAC was made with our key.
func (s *hostSecrets) comparable(mac string) bool {
	return len(s.key) > 0 && strings.HasPrefix(mac, s.keyID()+":")
}

// registryPassword returns what opens the passwords for registries in a host's host.yaml.
func (c *cycle) registryPassword(h *HostResult) registry.Resolver {
	if c.opts.Secrets == nil {
		return nil
	}
	return func(ctx context.Context, host, reference string) (string, error) {
		values, err := c.opts.Secrets.Open(ctx, host, h.Host.Sealed, secret.Names(reference))
		if err != nil {
			return "", err
		}
		return secret.Expand(reference, values)
	}
}

// redact returns an error without secrets, which is one as the given one is.
func (c *cycle) redact(err error) error {
	if err == nil || c.opts.Secrets == nil {
		return err
	}
	if text := c.opts.Secrets.Redact(err.Error()); text != err.Error() {
		return &redacted{text, err}
	}
	return err
}

// redacted is an error whose text held a secret.
type redacted struct {
	text string
	err  error
}

func (r *redacted) Error() string { return r.text }
func (r *redacted) Unwrap() error { return r.err }

// Renewed are the secrets of the host that were encrypted anew since the last deployment,
// and whose values are the same: nothing is to be done for them.
func (h *HostResult) Renewed() []string {
	if h.task == nil || h.secrets == nil {
		return nil
	}
	return h.secrets.renewed
}
