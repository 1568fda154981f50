package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/pflag"

	"github.com/gitsync/gitsync/policy"
)

func addPolicyFlag(f *pflag.FlagSet, name *string) {
	f.StringVar(name, "policy", "", "`FILE` that says what the repo may ask of which hosts (default: the default profile)")
}

// openPolicy reads the policy that deployments obey. Who can write the file decides what
// becomes root on the hosts, so that others than its owner must not.
func openPolicy(name string) (*policy.Policy, error) {
	return readPolicy(name, func(info os.FileInfo) error {
		const byOthers = 0o022
		if mode := info.Mode().Perm(); mode&byOthers != 0 {
			return withHint(fmt.Errorf("%s can be written by others than its owner (mode %04o)", name, mode), "chmod go-w "+name)
		}
		return nil
	})
}

// anybodys takes a file of anybody's, where nothing is deployed by it: that of a checkout,
// say.
func anybodys(os.FileInfo) error { return nil }

// readPolicy reads a policy, or returns the default profile where no file is named.
func readPolicy(name string, trust func(os.FileInfo) error) (*policy.Policy, error) {
	if name == "" {
		return policy.Default(), nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read the policy: %w", err)
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err == nil {
		err = trust(info)
	}
	if err != nil {
		return nil, fmt.Errorf("read the policy: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(file, policy.MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read the policy: %w", err)
	}
	return policy.Parse(data, name)
}
