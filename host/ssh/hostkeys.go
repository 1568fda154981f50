package ssh

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/rs/zerolog"
	"github.com/skeema/knownhosts"
	xssh "golang.org/x/crypto/ssh"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"
)

// ErrHostKey means that the host's key is unknown, another one than known, or
// revoked.
var ErrHostKey = errors.New("the host key is not accepted")

// hostKeys verifies the keys of one host. Its errors say what an operator does.
type hostKeys struct {
	ctx     context.Context
	address string
	// pin is the only key that counts, when it is set.
	pin *pin
	// file is the one that keys are added to, and files are all that are read.
	file  string
	files []string
	db    *knownhosts.HostKeyDB
	// shown is the key that was accepted, pinned or not.
	shown Shown
	// trust accepts and remembers the key of an unknown host.
	trust bool
	// advice says how else a key is made known.
	advice string
}

// openHostKeys reads the known hosts, unless a key is pinned.
func openHostKeys(ctx context.Context, t *target, opts Options) (*hostKeys, error) {
	k := &hostKeys{ctx: ctx, address: t.HostPort(), trust: opts.TrustOnFirstUse, advice: opts.knownHostsAdvice()}
	if t.HostKey != "" {
		var err error
		if k.pin, err = parsePin(t.HostKey); err == nil {
			k.files = existing(t.knownHosts)
			_ = k.read() // they only say whether they know the key too
		}
		return k, err
	}
	if len(t.knownHosts) == 1 && t.knownHosts[0] == systemKnownHosts {
		return nil, fmt.Errorf("%w: no known_hosts file is given, and there is no home directory: give one with %s", ErrHostKey, opts.knownHostsFlag())
	}
	k.file = t.knownHosts[0]
	for _, file := range t.knownHosts {
		if _, err := os.Stat(file); err == nil {
			k.files = append(k.files, file)
		} else if !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("%w: read %s: %w", ErrHostKey, file, err)
		}
	}
	if len(k.files) == 0 && !k.trust {
		return nil, fmt.Errorf("%w: there is no file %s: make it with %s, and compare the fingerprint with what the host's owner says; or %s", ErrHostKey, k.file, k.scan(), k.advice)
	}
	return k, k.read()
}

// existing are those of the files that are there.
func existing(files []string) []string {
	return slices.DeleteFunc(slices.Clone(files), func(file string) bool {
		_, err := os.Stat(file)
		return err != nil
	})
}

func (k *hostKeys) read() error {
	db, err := knownhosts.NewDB(k.files...)
	if err != nil {
		return fmt.Errorf("%w: read %s: %w", ErrHostKey, strings.Join(k.files, ", "), err)
	}
	k.db = db
	return nil
}

// attempts are the types of key to ask the server for, one login after the other: those
// that are known, so that a host known by one key is not refused for another.
func (k *hostKeys) attempts() [][]string {
	if k.pin != nil {
		return k.pin.attempts()
	}
	return [][]string{k.db.HostKeyAlgorithms(k.address)}
}

// check implements xssh.HostKeyCallback.
func (k *hostKeys) check(address string, remote net.Addr, key xssh.PublicKey) error {
	if k.pin != nil {
		err := k.pin.check(k.address, key)
		if err == nil && k.db != nil {
			k.show(address, remote, key)
		}
		return err
	}
	if err := k.checkRevoked(address, remote, key); err != nil {
		return err
	}
	err := k.db.HostKeyCallback()(address, remote, key)
	if err != nil && k.trust && knownhosts.IsHostUnknown(err) {
		if err := k.remember(address, remote, key); err != nil {
			return err
		}
	} else if err != nil {
		return k.explain(err, key)
	}
	k.show(address, remote, key)
	return nil
}

// checkRevoked looks for the parts of a certificate, as ssh does: the library looks for
// the certificate as a whole.
func (k *hostKeys) checkRevoked(address string, remote net.Addr, key xssh.PublicKey) error {
	certificate, ok := key.(*xssh.Certificate)
	if !ok {
		return nil
	}
	for _, part := range []xssh.PublicKey{certificate.Key, certificate.SignatureKey} {
		err := k.db.HostKeyCallback()(address, remote, part)
		var revoked *xknownhosts.RevokedError
		if errors.As(err, &revoked) {
			return k.explain(err, part)
		}
	}
	return nil
}

// explain says what an operator does about a key that is not accepted.
func (k *hostKeys) explain(err error, key xssh.PublicKey) error {
	found := key.Type() + " " + xssh.FingerprintSHA256(key)
	files := strings.Join(k.files, " and ")
	var revoked *xknownhosts.RevokedError
	switch {
	case errors.As(err, &revoked):
		return fmt.Errorf("%w: %s shows %s, which line %d of %s revokes: give the host a new key, and do not go on until then",
			ErrHostKey, k.address, found, revoked.Revoked.Line, cmp.Or(revoked.Revoked.Filename, files))
	case knownhosts.IsHostKeyChanged(err):
		return fmt.Errorf("%w: %s shows %s, and %s has another key for it. %s", ErrHostKey, k.address, found, files, k.renew())
	case knownhosts.IsHostUnknown(err):
		return fmt.Errorf("%w: %s shows %s, and %s does not know the host. If the fingerprint is right: %s; or %s", ErrHostKey, k.address, found, files, k.scan(), k.advice)
	}
	return fmt.Errorf("%w: %s shows %s: %w", ErrHostKey, k.address, found, err)
}

// lockTimeout bounds the wait for another gitsync that adds a host.
const lockTimeout = 10 * time.Second

// remember adds the key of a host that is not known. Somebody else may have done so
// meanwhile: then that key counts.
func (k *hostKeys) remember(address string, remote net.Addr, key xssh.PublicKey) error {
	if err := os.MkdirAll(filepath.Dir(k.file), 0o700); err != nil {
		return fmt.Errorf("%w: remember the key of %s: %w", ErrHostKey, k.address, err)
	}
	ctx, cancel := context.WithTimeout(k.ctx, lockTimeout)
	defer cancel()
	lock := flock.New(k.file+".lock", flock.SetPermissions(0o600))
	if locked, err := lock.TryLockContext(ctx, 20*time.Millisecond); err != nil || !locked {
		return fmt.Errorf("%w: remember the key of %s: lock %s.lock: %w", ErrHostKey, k.address, k.file, err)
	}
	defer func() { _ = lock.Unlock() }()
	file, err := os.OpenFile(k.file, os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("%w: remember the key of %s: %w", ErrHostKey, k.address, err)
	}
	defer func() { _ = file.Close() }()
	again := *k
	if len(again.files) == 0 || again.files[0] != k.file {
		again.files = append([]string{k.file}, again.files...)
	}
	if err := again.read(); err != nil {
		return err
	}
	switch err := again.db.HostKeyCallback()(address, remote, key); {
	case err == nil:
		return nil
	case !knownhosts.IsHostUnknown(err):
		return again.explain(err, key)
	}
	// A certificate ends; the key in it is what stays.
	if certificate, ok := key.(*xssh.Certificate); ok {
		key = certificate.Key
	}
	line := knownhosts.Line([]string{address}, key) + "\n"
	if !endsLine(file) {
		line = "\n" + line
	}
	if _, err := file.WriteString(line); err != nil {
		return fmt.Errorf("%w: remember the key of %s: %w", ErrHostKey, k.address, err)
	}
	zerolog.Ctx(k.ctx).Warn().Str("address", k.address).Str("key", key.Type()+" "+xssh.FingerprintSHA256(key)).Str("file", k.file).
		Msg("a host key is trusted on first use, and remembered: compare its fingerprint with what the host's owner says")
	return nil
}

// endsLine says whether what is added to a file begins a line.
func endsLine(file *os.File) bool {
	info, err := file.Stat()
	if err != nil || info.Size() == 0 {
		return err == nil
	}
	last := make([]byte, 1)
	_, err = file.ReadAt(last, info.Size()-1)
	return err == nil && last[0] == '\n'
}

// otherTypes is the error for a host that no longer has a key of the known types.
func (k *hostKeys) otherTypes(offered []string) error {
	if k.pin != nil {
		return fmt.Errorf("%w: %s has keys for %.200q only, and hostKey is one for %s: write its new key into hostKey, after comparing it with what the host's owner says", ErrHostKey, k.address, strings.Join(offered, " "), k.pin.algorithm)
	}
	return fmt.Errorf("%w: %s has keys for %.200q only, and %s has a key of another type for it. %s", ErrHostKey, k.address, strings.Join(offered, " "), strings.Join(k.files, " and "), k.renew())
}

// renew is the advice for a changed key.
func (k *hostKeys) renew() string {
	return fmt.Sprintf("If the host was set up anew: ssh-keygen -R '%s' -f %s, then add the new key: %s. If not, somebody may be in between: do not go on",
		xknownhosts.Normalize(k.address), k.file, k.scan())
}

// scan is the command that adds the host.
func (k *hostKeys) scan() string {
	host, port, err := net.SplitHostPort(k.address)
	if err != nil {
		host, port = k.address, "22"
	}
	return fmt.Sprintf("ssh-keyscan -p %s %s >> %s", port, host, k.file)
}
