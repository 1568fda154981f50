package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/pflag"

	"github.com/gitsync/gitsync/internal/follow"
	"github.com/gitsync/gitsync/policy"
)

func addPolicyFlag(f *pflag.FlagSet, name *string) {
	f.StringVar(name, "policy", "", "`FILE` that says what the repo may ask of which hosts, or the profile strict (default: the profile default)")
}

// openPolicy reads the policy that deployments obey, and returns what follows its file; nil
// for what no file says. The name of a built-in profile is that: a file of such a name is
// ./strict. Who can write the file decides what becomes root on the hosts, so that others than
// its owner must not.
func openPolicy(name string) (*policy.Policy, func(context.Context) *policy.Policy, error) {
	if name == "" {
		return nil, nil, nil
	}
	if p, _, known := policy.Profile(name); known {
		return p, nil, nil
	}
	const byOthers = 0o022
	file, err := followPolicy(name, follow.Options{
		Max: policy.MaxBytes, Check: func(info os.FileInfo) error {
			if mode := info.Mode().Perm(); mode&byOthers != 0 {
				return withHint(fmt.Errorf("%s can be written by others than its owner (mode %04o)", name, mode), "chmod go-w "+name)
			}
			return nil
		},
	})
	if err != nil {
		return nil, nil, err
	}
	return file.Value(), file.Current, nil
}

// followPolicy reads a policy for the first time. What is wrong in it has its own position.
func followPolicy(name string, opts follow.Options) (*follow.File[*policy.Policy], error) {
	parsed := false
	file, err := follow.Open(name, func(data []byte) (*policy.Policy, error) {
		parsed = true
		return policy.Parse(data, name)
	}, opts)
	if err != nil && !parsed {
		return nil, fmt.Errorf("read the policy: %w", err)
	}
	return file, err
}

// readPolicy reads a policy by which nothing is deployed: whose file it is does not matter.
// It returns the default profile where no file is named, and a built-in profile by its name.
func readPolicy(name string) (*policy.Policy, error) {
	if name == "" {
		return policy.Default(), nil
	}
	if p, _, known := policy.Profile(name); known {
		return p, nil
	}
	file, err := followPolicy(name, follow.Options{Max: policy.MaxBytes})
	if err != nil {
		return nil, err
	}
	return file.Value(), nil
}
