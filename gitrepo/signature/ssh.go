package signature

import (
	"bytes"
	"crypto/dsa" //nolint:staticcheck // to refuse it
	"crypto/rsa"
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

const sshBegin = "-----BEGIN SSH SIGNATURE-----"

// minRSA is the size of RSA keys, in bits, below which they are refused.
const minRSA = 2048

// verifySSH checks a signature of ssh-keygen. Only a key that is listed is ever used.
func (r Rules) verifySSH(c Claim) (Signer, error) {
	sig, err := unarmorSSH(c.Armored)
	if err != nil {
		return Signer{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	who := Signer{Kind: SSH, Fingerprint: ssh.FingerprintSHA256(sig.PublicKey)}
	if _, isCertificate := sig.PublicKey.(*ssh.Certificate); isCertificate {
		return who, fmt.Errorf("%w: it is signed with an SSH certificate, and certificates do not count: sign with a plain key", ErrUnknownKey)
	}
	if r.Revoked.hasSSH(sig.PublicKey) {
		return who, fmt.Errorf("%w: SSH key %s", ErrRevoked, who.Fingerprint)
	}
	if err := strong(sig.PublicKey); err != nil {
		return who, fmt.Errorf("%w: SSH key %s: %w", ErrWeak, who.Fingerprint, err)
	}
	listed, err := r.Signers.find(sig.PublicKey, c)
	if err != nil {
		return who, err
	}
	who.Name = listed.name()
	if sig.Namespace != namespace {
		return who, fmt.Errorf("%w: SSH key %s of %s signed for the namespace %q, not for git", ErrInvalid, who.Fingerprint, who.Name, sig.Namespace)
	}
	if err := sshsig.Verify(bytes.NewReader(c.Payload), sig, listed.key, sig.HashAlgorithm, namespace); err != nil {
		return who, fmt.Errorf("%w: SSH key %s of %s did not sign these bytes", ErrInvalid, who.Fingerprint, who.Name)
	}
	return who, nil
}

// unarmorSSH reads a signature that is nothing else.
func unarmorSSH(armored string) (*sshsig.Signature, error) {
	block, rest := pem.Decode([]byte(armored))
	if block == nil || block.Type != sshsig.PEMType || len(block.Headers) > 0 || strings.TrimSpace(string(rest)) != "" {
		return nil, fmt.Errorf("it is no SSH signature in its armour, and nothing else")
	}
	return sshsig.ParseSignature(block.Bytes)
}

// strong refuses keys that are not safe.
func strong(key ssh.PublicKey) error {
	held, ok := key.(ssh.CryptoPublicKey)
	if !ok {
		return fmt.Errorf("keys of the type %s are not known", key.Type())
	}
	switch k := held.CryptoPublicKey().(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < minRSA {
			return fmt.Errorf("an RSA key of %d bits: it needs %d", bits, minRSA)
		}
	case *dsa.PublicKey:
		return fmt.Errorf("DSA keys are not safe")
	}
	return nil
}

// SignSSH signs bytes with the namespace git, as git does.
func SignSSH(key ssh.Signer, payload []byte) (armored string, err error) {
	sig, err := sshsig.Sign(bytes.NewReader(payload), key, sshsig.HashSHA512, namespace)
	if err != nil {
		return "", fmt.Errorf("sign with SSH key %s: %w", ssh.FingerprintSHA256(key.PublicKey()), err)
	}
	return string(sshsig.Armor(sig)), nil
}

// find returns the line that allows a key to sign, or why none does.
func (s Signers) find(key ssh.PublicKey, c Claim) (signerLine, error) {
	fingerprint, wanted := ssh.FingerprintSHA256(key), key.Marshal()
	refused := fmt.Errorf("%w: SSH key %s is not in %s", ErrUnknownKey, fingerprint, s.where())
	for _, line := range s.lines {
		if !bytes.Equal(line.key.Marshal(), wanted) {
			continue
		}
		if !line.allowsNamespace() {
			refused = fmt.Errorf("%w: SSH key %s of %s may not sign for git (%s:%d says namespaces=%q)",
				ErrUnknownKey, fingerprint, line.name(), s.file, line.number, strings.Join(line.namespaces, ","))
			continue
		}
		if err := line.validAt(c); err != nil {
			refused = fmt.Errorf("%w: SSH key %s of %s %w (%s:%d)", ErrExpired, fingerprint, line.name(), err, s.file, line.number)
			continue
		}
		return line, nil
	}
	return signerLine{}, refused
}

// validAt says when the key was not valid, or is not.
func (l signerLine) validAt(c Claim) error {
	for _, at := range c.times() {
		when := "at the commit's time, " + date(at)
		if at.Equal(c.Now) {
			when = "now"
		}
		switch {
		case !l.after.IsZero() && at.Before(l.after):
			return fmt.Errorf("is valid from %s on, and not yet %s", date(l.after), when)
		case !l.before.IsZero() && at.After(l.before):
			return fmt.Errorf("was valid until %s, and is not %s", date(l.before), when)
		}
	}
	return nil
}

func (l signerLine) allowsNamespace() bool {
	return len(l.namespaces) == 0 || matchPatterns(l.namespaces, namespace)
}

// matchPatterns is OpenSSH's match_pattern_list: * and ? are wildcards, and a pattern
// after ! excludes what it matches.
func matchPatterns(patterns []string, s string) bool {
	found := false
	for _, pattern := range patterns {
		negated := strings.HasPrefix(pattern, "!")
		if !matchPattern(strings.TrimPrefix(pattern, "!"), s) {
			continue
		}
		if negated {
			return false
		}
		found = true
	}
	return found
}

func matchPattern(pattern, s string) bool {
	// last is where the last * was, and from what of s it has not taken yet.
	p, i, last, from := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			last, from = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p, i = p+1, i+1
		case last >= 0:
			from++
			p, i = last+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// skew is how far a clock may be ahead.
const skew = 10 * time.Minute
