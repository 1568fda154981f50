package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/gitsync/gitsync/gitrepo/signature"
	"github.com/gitsync/gitsync/host/ssh"
	"github.com/gitsync/gitsync/trust"
)

// sealed says whether the state branch must be signed.
func (v *verifySettings) sealed() bool { return v.stateSignKey+v.stateSigners != "" }

// writes says that a command writes the state branch, which needs a key when that must be
// signed.
func (v *verifySettings) writes() error {
	if v.sealed() && v.stateSignKey == "" {
		return withHint(errors.New("the records in the state branch must be signed (--state-signers), and there is no key to sign them with"),
			"set --state-sign-key FILE, a private SSH key whose public key is in "+v.stateSigners)
	}
	return nil
}

// seal returns what signs the state branch, and says whose signatures count; nil without
// the flags. The files are read now too, so that mistakes in them are told at the start.
func (v *verifySettings) seal(passphraseFile string) (*trust.Seal, error) {
	if !v.sealed() {
		return nil, nil
	}
	seal := &trust.Seal{Believe: v.trustRecords, Now: time.Now}
	var own signature.Signers
	if v.stateSignKey != "" {
		key, err := ssh.ReadKey(v.stateSignKey, passphraseFile)
		if err != nil {
			return nil, fmt.Errorf("--state-sign-key: %w", err)
		}
		own = signature.SignersOf(v.stateSignKey, key.PublicKey())
		seal.Sign = func(payload []byte) (string, error) { return signature.SignSSH(key, payload) }
	}
	seal.Rules = func() (signature.Rules, error) { return v.stateRules(own) }
	rules, err := seal.Rules()
	if err != nil || seal.Sign == nil {
		return seal, err
	}
	payload := []byte("a commit")
	armored, err := seal.Sign(payload)
	if err != nil {
		return nil, fmt.Errorf("--state-sign-key: %w", err)
	}
	now := time.Now()
	if _, err := rules.Verify(signature.Claim{Payload: payload, Armored: armored, When: now, Now: now}); err != nil {
		return nil, withHint(fmt.Errorf("what --state-sign-key %s signs would not count: %w", v.stateSignKey, err),
			"add its public key to the file that --state-signers names: NAME ssh-ed25519 AAAA…")
	}
	return seal, nil
}

// stateRules reads whose signatures count in the state branch.
func (v *verifySettings) stateRules(own signature.Signers) (signature.Rules, error) {
	rules := signature.Rules{Kind: signature.SSH, Signers: own}
	read := func(file string, parse func(data []byte) error) error {
		if file == "" {
			return nil
		}
		data, err := os.ReadFile(file)
		if err == nil {
			err = parse(data)
		}
		return err
	}
	err := errors.Join(read(v.stateSigners, func(data []byte) (err error) {
		rules.Signers, err = signature.ParseSigners(v.stateSigners, data)
		return err
	}), read(v.revoked, func(data []byte) (err error) {
		rules.Revoked, err = v.parseRevoked(data)
		return err
	}))
	if err != nil {
		return signature.Rules{}, fmt.Errorf("read who may sign the records: %w", err)
	}
	return rules, nil
}
