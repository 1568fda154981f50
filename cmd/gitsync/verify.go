package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"sync/atomic"
	"time"

	"github.com/spf13/pflag"

	"github.com/gitsync/gitsync/gitrepo/signature"
	"github.com/gitsync/gitsync/trust"
)

// verifySettings are the flags that say which commits are deployed.
type verifySettings struct {
	kind, signers, keyring, revoked string
	tags, forgeKey, forgeMerges     string
	allowRewind, trustRecords       bool
	stateSignKey, stateSigners      string
	// hadRevoked says that the file of revoked keys held something before.
	hadRevoked atomic.Bool
}

func (v *verifySettings) addFlags(f *pflag.FlagSet) {
	f.StringVar(&v.kind, "verify", "", "deploy only commits that are signed with an allowed key, and built on what is deployed: `KIND` is ssh, pgp or any (default: deploy what the branch has)")
	f.StringVar(&v.signers, "verify-signers", "", "allowed signers `FILE`, as ssh-keygen has it: the SSH keys that may sign")
	f.StringVar(&v.keyring, "verify-keyring", "", "`FILE` with the OpenPGP public keys that may sign")
	f.StringVar(&v.revoked, "verify-revoked", "", "`FILE` with keys that may not sign any more: a public key or fingerprint a line")
	f.StringVar(&v.tags, "verify-tags", "", "a signed annotated tag that matches this `PATTERN`, such as 'v*', counts for the commit that it points to")
	f.StringVar(&v.forgeKey, "verify-forge-key", "", "`FILE` with the key that the forge signs merges with: allowed signers, or OpenPGP public keys")
	f.StringVar(&v.forgeMerges, "verify-forge-merges", string(trust.ExactMerges), "exact: a merge of the forge counts when it holds just what somebody signed; trust: each does")
	f.BoolVar(&v.trustRecords, "trust-records", false, "believe the records in the state branch as they are, once: for hosts that left the repo when the data directory was lost; with --state-sign-key: sign them")
	f.StringVar(&v.stateSignKey, "state-sign-key", "", "private SSH key `FILE` that signs the records in the state branch, which must be signed then")
	f.StringVar(&v.stateSigners, "state-signers", "", "allowed signers `FILE`: the keys of the gitsyncs that may write the state branch (default that of --state-sign-key alone)")
	f.BoolVar(&v.allowRewind, "allow-rewind", false, "with --verify: deploy a commit that is not built on what is deployed, once")
}

// given says whether anything is set that does nothing without --verify.
func (v *verifySettings) given() bool {
	return v.signers+v.keyring+v.tags+v.forgeKey != "" || v.revoked != "" && !v.sealed() || v.allowRewind
}

// decides says whether anything is refused by what this machine remembers.
func (v *verifySettings) decides() bool { return v.kind != "" || v.sealed() }

// gate returns what decides which commits are deployed; nil deploys all. The files are
// read now too, so that mistakes in them are told at the start.
func (v *verifySettings) gate(memory *trust.Memory) (*trust.Gate, error) {
	if v.kind == "" {
		if v.given() {
			return nil, withHint(errors.New("commits are not verified, although other flags say how"), "set --verify ssh, pgp or any")
		}
		return nil, nil
	}
	kind, err := signature.ParseKind(v.kind)
	if err != nil {
		return nil, fmt.Errorf("--verify %w", err)
	}
	switch {
	case kind == signature.SSH && v.signers == "", kind == signature.Any && v.signers+v.keyring == "":
		return nil, withHint(errors.New("--verify needs to know who may sign"), "set --verify-signers FILE; docs/verify.md says how to write one")
	case kind == signature.PGP && v.keyring == "":
		return nil, withHint(errors.New("--verify pgp needs to know who may sign"), "set --verify-keyring FILE")
	}
	if _, err := path.Match(v.tags, ""); err != nil {
		return nil, fmt.Errorf("--verify-tags %q: %w", v.tags, err)
	}
	g := &trust.Gate{Tags: v.tags, AllowRewind: v.allowRewind, Memory: memory, Now: time.Now}
	if v.forgeKey != "" {
		switch g.Merges = trust.ForgeMerges(v.forgeMerges); g.Merges {
		case trust.ExactMerges, trust.TrustMerges:
		default:
			return nil, fmt.Errorf("--verify-forge-merges %q: write exact or trust", v.forgeMerges)
		}
	}
	g.Keys = func() (trust.Keys, error) { return v.keys(kind) }
	_, err = g.Keys()
	return g, err
}

// keys reads who may sign.
func (v *verifySettings) keys(kind signature.Kind) (trust.Keys, error) {
	keys := trust.Keys{Rules: signature.Rules{Kind: kind}}
	var errs []error
	read := func(file string, parse func(data []byte) error) {
		if file == "" {
			return
		}
		data, err := os.ReadFile(file)
		if err == nil {
			err = parse(data)
		}
		errs = append(errs, err)
	}
	read(v.signers, func(data []byte) (err error) {
		keys.Rules.Signers, err = signature.ParseSigners(v.signers, data)
		return err
	})
	read(v.keyring, func(data []byte) (err error) {
		keys.Rules.Keys, err = signature.ParseKeyRing(v.keyring, data)
		return err
	})
	read(v.revoked, func(data []byte) (err error) {
		keys.Rules.Revoked, err = v.parseRevoked(data)
		return err
	})
	read(v.forgeKey, func(data []byte) (err error) {
		keys.Forge, err = forgeRules(v.forgeKey, data)
		return err
	})
	if keys.Forge != nil {
		keys.Forge.Revoked = keys.Rules.Revoked
	}
	if err := errors.Join(errs...); err != nil {
		return trust.Keys{}, fmt.Errorf("read who may sign commits: %w", err)
	}
	return keys, nil
}

// parseRevoked reads the keys that may not sign any more. A file that had some and is empty
// now is most likely being written: to heed it would let in what a thief signed.
func (v *verifySettings) parseRevoked(data []byte) (signature.Revoked, error) {
	if len(bytes.TrimSpace(data)) > 0 {
		v.hadRevoked.Store(true)
	} else if v.hadRevoked.Load() {
		return signature.Revoked{}, fmt.Errorf("%s is empty, and had revoked keys before: write a line that begins with # into it if there are none any more", v.revoked)
	}
	return signature.ParseRevoked(v.revoked, data)
}

// forgeRules reads the forge's own key, of whichever kind it is.
func forgeRules(file string, data []byte) (*signature.Rules, error) {
	rules, err := &signature.Rules{Kind: signature.Any}, error(nil)
	if binary := len(data) > 0 && data[0] >= 0x80; binary || bytes.Contains(data, []byte("-----BEGIN PGP")) {
		rules.Keys, err = signature.ParseKeyRing(file, data)
	} else {
		rules.Signers, err = signature.ParseSigners(file, data)
	}
	return rules, err
}
