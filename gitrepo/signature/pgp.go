package signature

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

const pgpBegin = "-----BEGIN PGP SIGNATURE-----"

// KeyRing are OpenPGP keys that may sign.
type KeyRing struct {
	file string
	keys openpgp.EntityList
}

// Empty says whether nobody is allowed.
func (k KeyRing) Empty() bool { return len(k.keys) == 0 }

// ParseKeyRing reads public keys: armoured, also several blocks after each other, or
// binary, as gpg --export writes them. file is its name, for errors.
func ParseKeyRing(file string, data []byte) (KeyRing, error) {
	k := KeyRing{file: file}
	var err error
	if bytes.Contains(data, []byte("-----BEGIN PGP")) {
		k.keys, err = readArmored(data)
	} else {
		k.keys, err = openpgp.ReadKeyRing(bytes.NewReader(data))
	}
	if err != nil {
		return KeyRing{}, fmt.Errorf("%s: it cannot be read as OpenPGP public keys (gpg --export --armor KEY writes one): %w", file, err)
	}
	for _, entity := range k.keys {
		if self, _ := entity.PrimarySelfSignature(); self == nil {
			return KeyRing{}, fmt.Errorf("%s: OpenPGP key %X has no user ID that it signed itself", file, entity.PrimaryKey.Fingerprint)
		}
		if entity.PrivateKey != nil {
			return KeyRing{}, fmt.Errorf("%s: there is a private key in it: give the public keys only, and keep that one secret", file)
		}
	}
	return k, nil
}

func readArmored(data []byte) (openpgp.EntityList, error) {
	var all openpgp.EntityList
	// What reads one block takes the rest with it.
	const begin = "-----BEGIN PGP"
	for _, text := range strings.Split(string(data), begin)[1:] {
		block, err := armor.Decode(strings.NewReader(begin + text))
		if err != nil {
			return nil, err
		}
		if block.Type != openpgp.PublicKeyType {
			return nil, fmt.Errorf("it holds a %s", strings.ToLower(block.Type))
		}
		keys, err := openpgp.ReadKeyRing(block.Body)
		if err != nil {
			return nil, err
		}
		all = append(all, keys...)
	}
	return all, nil
}

// verifyPGP checks an OpenPGP signature. The key must have been valid when the commit says
// that it was made, and when the signature says so, and must not have been revoked by now.
func (r Rules) verifyPGP(c Claim) (Signer, error) {
	body, claimed, err := armoredSignature(c.Armored)
	if err != nil {
		return Signer{Kind: PGP}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	at := c.Now
	if c.Known {
		at = c.When
	}
	if claimed.CreationTime.After(at) && claimed.CreationTime.Before(at.Add(skew)) {
		at = claimed.CreationTime
	}
	config := &packet.Config{Time: func() time.Time { return at }}
	sig, entity, err := openpgp.VerifyDetachedSignature(r.Keys.keys, bytes.NewReader(c.Payload), bytes.NewReader(body), config)
	if sig == nil || entity == nil {
		return r.unknownPGP(claimed, err)
	}
	key := signingKey(entity, sig)
	who := Signer{Kind: PGP, Name: userID(entity), Fingerprint: fmt.Sprintf("%X", key.Fingerprint)}
	if revoked := r.revokedPGP(entity, key, c.Now); revoked != nil || errors.Is(err, pgperrors.ErrKeyRevoked) {
		return who, fmt.Errorf("%w: OpenPGP key %s of %s", ErrRevoked, who.Fingerprint, who.Name)
	}
	if errors.Is(err, pgperrors.ErrKeyExpired) || errors.Is(err, pgperrors.ErrSignatureExpired) {
		return who, fmt.Errorf("%w: OpenPGP key %s of %s, or its signature, has expired", ErrExpired, who.Fingerprint, who.Name)
	}
	if err != nil {
		return who, fmt.Errorf("%w: OpenPGP key %s of %s: %w", ErrInvalid, who.Fingerprint, who.Name, err)
	}
	if !strongHash[sig.Hash] {
		return who, fmt.Errorf("%w: OpenPGP key %s of %s signed with %s", ErrWeak, who.Fingerprint, who.Name, sig.Hash)
	}
	if bits, _ := key.BitLength(); isRSA(key) && bits < minRSA-1 {
		return who, fmt.Errorf("%w: OpenPGP key %s of %s: an RSA key of %d bits: it needs %d", ErrWeak, who.Fingerprint, who.Name, bits, minRSA)
	}
	for _, at := range []time.Time{c.When, sig.CreationTime} {
		if err := validPGP(entity, key, at); err != nil {
			return who, fmt.Errorf("%w: OpenPGP key %s of %s was not valid at %s: %w", ErrExpired, who.Fingerprint, who.Name, date(at), err)
		}
	}
	return who, nil
}

// unknownPGP says of a signature that no key of the ring made, which key it names.
func (r Rules) unknownPGP(claimed *packet.Signature, err error) (Signer, error) {
	who := Signer{Kind: PGP, Fingerprint: fmt.Sprintf("%X", claimed.IssuerFingerprint)}
	if len(claimed.IssuerFingerprint) == 0 && claimed.IssuerKeyId != nil {
		who.Fingerprint = fmt.Sprintf("%016X", *claimed.IssuerKeyId)
	}
	if errors.Is(err, pgperrors.ErrUnknownIssuer) {
		ring := r.Keys.file
		if ring == "" {
			ring = "the key ring (there is none: set --verify-keyring)"
		}
		return who, fmt.Errorf("%w: OpenPGP key %s is not in %s", ErrUnknownKey, who.Fingerprint, ring)
	}
	return who, fmt.Errorf("%w: OpenPGP key %s: %w", ErrInvalid, who.Fingerprint, err)
}

// armoredSignature takes the armour off a signature that is nothing else.
func armoredSignature(armored string) ([]byte, *packet.Signature, error) {
	block, err := armor.Decode(strings.NewReader(armored))
	if err != nil {
		return nil, nil, err
	}
	if block.Type != openpgp.SignatureType {
		return nil, nil, fmt.Errorf("it is a %s", strings.ToLower(block.Type))
	}
	body, err := io.ReadAll(io.LimitReader(block.Body, maxLine))
	if err != nil {
		return nil, nil, err
	}
	packets := packet.NewReader(bytes.NewReader(body))
	first, err := packets.Next()
	if err != nil {
		return nil, nil, err
	}
	sig, isSignature := first.(*packet.Signature)
	if !isSignature {
		return nil, nil, errors.New("there is no signature in it")
	}
	if _, err := packets.Next(); !errors.Is(err, io.EOF) {
		return nil, nil, errors.New("there is more than one signature in it")
	}
	return body, sig, nil
}

// strongHash are the hashes that a signature may be made with.
var strongHash = map[crypto.Hash]bool{
	crypto.SHA256: true, crypto.SHA384: true, crypto.SHA512: true, crypto.SHA3_256: true, crypto.SHA3_512: true,
}

// signingKey returns the key of the entity that made the signature.
func signingKey(entity *openpgp.Entity, sig *packet.Signature) *packet.PublicKey {
	for _, sub := range entity.Subkeys {
		if sig.IssuerKeyId != nil && sub.PublicKey.KeyId == *sig.IssuerKeyId {
			return sub.PublicKey
		}
	}
	return entity.PrimaryKey
}

// revokedPGP says whether the key, or what it hangs on, is revoked by now: by our list or
// by its owner. A revocation counts for all times, since a thief can backdate.
func (r Rules) revokedPGP(entity *openpgp.Entity, key *packet.PublicKey, now time.Time) error {
	if r.Revoked.hasPGP(key.Fingerprint) || r.Revoked.hasPGP(entity.PrimaryKey.Fingerprint) {
		return ErrRevoked
	}
	if entity.Revoked(now) || len(entity.Revocations) > 0 {
		return ErrRevoked
	}
	for _, sub := range entity.Subkeys {
		if sub.PublicKey.KeyId == key.KeyId && (sub.Revoked(now) || len(sub.Revocations) > 0) {
			return ErrRevoked
		}
	}
	return nil
}

// validPGP says whether primary key and signing key were there and had not expired.
func validPGP(entity *openpgp.Entity, key *packet.PublicKey, at time.Time) error {
	self, _ := entity.PrimarySelfSignature()
	if self == nil {
		return errors.New("it has no valid user ID")
	}
	if at.Add(skew).Before(key.CreationTime) {
		return fmt.Errorf("it was made at %s", date(key.CreationTime))
	}
	if entity.PrimaryKey.KeyExpired(self, at) {
		return errors.New("it had expired")
	}
	for _, sub := range entity.Subkeys {
		if sub.PublicKey.KeyId == key.KeyId && sub.PublicKey.KeyExpired(sub.Sig, at) {
			return errors.New("it had expired")
		}
	}
	return nil
}

func isRSA(key *packet.PublicKey) bool {
	_, is := key.PublicKey.(*rsa.PublicKey)
	return is
}

func userID(entity *openpgp.Entity) string {
	if identity := entity.PrimaryIdentity(); identity != nil {
		return identity.Name
	}
	return "(no name)"
}
