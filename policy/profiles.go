package policy

import (
	_ "embed"
	"slices"
)

// The names of the built-in profiles.
const (
	// DefaultName is a guard rail: it denies what gives a host away, as far as it is known.
	DefaultName = "default"
	// StrictName is a boundary: it denies what is not known to be harmless.
	StrictName = "strict"
	// noProfile is what a policy file says that drops them.
	noProfile = "none"
)

//go:embed default.yaml
var defaultProfile []byte

//go:embed strict.yaml
var strictProfile []byte

//go:embed earlier.yaml
var earlierProfile []byte

// Default returns the default profile: it is in force where nothing else is said.
func Default() *Policy {
	return &Policy{parseBuiltin(defaultProfile, "the default profile"), parseBuiltin(earlierProfile, "the default profile of earlier versions")}
}

// Strict returns the strict profile: the default one, and what it denies beside that. What
// earlier versions allowed may not stay: they wrote files that root executes.
func Strict() *Policy {
	blocks := parseBuiltin(defaultProfile, "the default profile")
	return &Policy{blocks: append(blocks, parseBuiltin(strictProfile, "the strict profile")...)}
}

// Profile returns the built-in profile of that name, with what it is as a policy file;
// false where there is none.
func Profile(name string) (p *Policy, file []byte, known bool) {
	switch name {
	case DefaultName:
		return Default(), slices.Clone(defaultProfile), true
	case StrictName:
		return Strict(), slices.Clone(strictProfile), true
	}
	return nil, nil, false
}

// DefaultProfile returns the default profile as a policy file.
func DefaultProfile() []byte { return slices.Clone(defaultProfile) }

func parseBuiltin(profile []byte, name string) []block {
	blocks, _, mistakes := parse(profile, name)
	if len(mistakes) > 0 {
		// It is part of the binary, and tested.
		panic(mistakes)
	}
	for i := range blocks {
		blocks[i].builtin, blocks[i].profile = true, name
	}
	return blocks
}
