package unlock

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	stdsync "sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/secret"
)

// Options say with what secrets are opened.
type Options struct {
	// AgeKeyFile has age identities, one a line, or an SSH private key; empty means those
	// of AgeKeys.
	AgeKeyFile string
	// AgeKeys are age identities, one a line, as $SOPS_AGE_KEY has them.
	AgeKeys string
	// Kinds are the kinds of keys that SOPS files may be encrypted for: some of [AllKinds];
	// empty means [DefaultKinds].
	Kinds []string
	// VaultAddress is the one Vault that a SOPS file may name, as $VAULT_ADDR has it.
	VaultAddress string
	// External are the secrets of the agent's own configuration.
	External secret.External
	// Redactor is told of all values. Required.
	Redactor *secret.Redactor
}

// Opener opens secrets. Make it with [New].
type Opener struct {
	opts Options

	mu stdsync.Mutex
	// external are values that were read a short while ago.
	external map[string]externalValue
	// warned are the secrets of which was said that they are not searched for.
	warned map[string]bool
}

type externalValue struct {
	value string
	read  time.Time
}

// externalAge is how long the value of an external secret is used before it is read
// again: a command is not to be run for each host, nor for each look.
const externalAge = time.Minute

// New returns an opener. It reads no key yet, so that a repo without secrets needs none.
func New(opts Options) (*Opener, error) {
	if len(opts.Kinds) == 0 {
		opts.Kinds = DefaultKinds
	}
	for _, kind := range opts.Kinds {
		if !slices.Contains(AllKinds, kind) {
			return nil, fmt.Errorf("%q is no kind of key: there are %s", kind, strings.Join(AllKinds, ", "))
		}
	}
	return &Opener{opts: opts, external: map[string]externalValue{}, warned: map[string]bool{}}, nil
}

// External returns the names of the external secrets that a host may use.
func (o *Opener) External(host string) []string { return o.opts.External.For(host) }

// Redact returns the text without any secret that was opened.
func (o *Opener) Redact(text string) string { return o.opts.Redactor.Redact(text) }

// RedactCut is Redact for a text that may begin or end in the middle of a secret.
func (o *Opener) RedactCut(text string) string { return o.opts.Redactor.RedactCut(text) }

// Open returns the values of secrets of a host, by their names. The error says all that
// is wrong, and holds no value. Of a secret that is not searched for in texts the log of the
// context says so, once.
func (o *Opener) Open(ctx context.Context, host string, sealed *secret.Sealed, names []string) (map[string]string, error) {
	o.opts.Redactor.Except(host)
	values := map[string]string{}
	byFile := map[string][]string{}
	var problems []string
	for _, name := range names {
		if sealed.Has(name) {
			file := sealed.Entries[name].File
			byFile[file] = append(byFile[file], name)
			continue
		}
		value, err := o.openExternal(ctx, host, name)
		if err != nil {
			problems = append(problems, err.Error())
			continue
		}
		values[name] = value
	}
	for _, file := range slices.Sorted(maps.Keys(byFile)) {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("open secrets: %w", err)
		}
		opened, err := o.openFile(file, sealed, byFile[file])
		if err != nil {
			problems = append(problems, err.Error())
			continue
		}
		maps.Copy(values, opened)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		o.opts.Redactor.Add(values[name])
		switch value := values[name]; {
		case len(value) < secret.MinBytes:
			problems = append(problems, fmt.Sprintf("secret %s is shorter than %d bytes, and could not be told from other text in logs: make it longer", name, secret.MinBytes))
		case strings.ContainsRune(value, 0) && secret.ValidName(name):
			problems = append(problems, fmt.Sprintf("secret %s holds a zero byte: only a config file of its own can", name))
		}
	}
	if len(problems) > 0 {
		return nil, &openError{o.Redact("open secrets: " + strings.Join(problems, "; "))}
	}
	o.warn(ctx, host, values)
	return values, nil
}

// warn says of which secrets the values are not searched for in texts. Why is not said: it
// would tell what they may be.
func (o *Opener) warn(ctx context.Context, host string, values map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if o.opts.Redactor.Searches(values[name]) {
			continue
		}
		key := host + " " + name
		o.mu.Lock()
		known := o.warned[key]
		o.warned[key] = true
		o.mu.Unlock()
		if !known {
			zerolog.Ctx(ctx).Warn().Str("host", host).Str("secret", name).
				Msg("secrets: the value of this one cannot be told from other text, and is not taken out of logs and errors: choose a longer, random one")
		}
	}
}

// openError is a text from which all secrets are gone; what it was made of is not kept.
type openError struct{ text string }

func (e *openError) Error() string { return e.text }

// openFile returns the wanted secrets of one file.
func (o *Opener) openFile(file string, sealed *secret.Sealed, names []string) (map[string]string, error) {
	data := sealed.Files[file]
	if secret.IsAge(data) && sealed.Entries[names[0]].Key == "" {
		content, err := o.openAge(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		return map[string]string{names[0]: content}, nil
	}
	all, err := o.openSOPS(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	// Whatever is in the file may turn up somewhere, whether or not it is asked for.
	o.opts.Redactor.Add(slices.Collect(maps.Values(all))...)
	values := map[string]string{}
	for _, name := range names {
		value, there := all[sealed.Entries[name].Key]
		if !there {
			return nil, fmt.Errorf("%s: secret %s is not in the file once it is decrypted", file, name)
		}
		values[name] = value
	}
	return values, nil
}
