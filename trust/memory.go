package trust

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	stdsync "sync"
	"time"

	"github.com/gofrs/flock"

	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/internal/disk"
)

// Memory is what the gitsyncs of one data directory know for themselves of one repo: what
// one of them remembers the others see, such as an operator's apply beside a daemon. It is
// safe for concurrent use, also by several processes.
type Memory struct {
	file     string
	readOnly bool
	// damaged is told of a file that is given up; nil where it is an error.
	damaged func(error)

	mu   stdsync.Mutex
	know known
	// seen is the file as it was read or written last.
	seen fs.FileInfo
}

// known is what the file holds.
type known struct {
	// Accepted is the commit that was accepted last, and When that was.
	Accepted gitrepo.Hash `json:"accepted,omitempty"`
	When     time.Time    `json:"when,omitzero"`
	// Unproven says that the first commit was accepted on nobody's word but that of the state
	// branch. Proven are the hosts whose containers were found to come from its history.
	Unproven bool            `json:"unproven,omitempty"`
	Proven   map[string]bool `json:"proven,omitempty"`
	// Records are the SHA-256 digests of records in the state branch, by host.
	Records map[string]string `json:"records,omitempty"`
	// Tips are how far state branches were, by name.
	Tips map[string]Tip `json:"tips,omitempty"`
	// Identities are those of the repo, by the name of the state branch, HostIdentities those
	// that containers have on a host, and Adopted the former owners of containers.
	Identities     map[string]Identity `json:"identities,omitempty"`
	HostIdentities map[string]string   `json:"hostIdentities,omitempty"`
	Adopted        []Adoption          `json:"adopted,omitempty"`
	// Machines are those that were confirmed to be hosts, by their names.
	Machines map[string]Machine `json:"machines,omitempty"`
}

// Tip is a commit of a state branch that was signed by somebody who may.
type Tip struct {
	Commit gitrepo.Hash `json:"commit"`
	// When is the time that the commit says it was made.
	When time.Time `json:"when"`
}

// maxMemory bounds the file.
const maxMemory = 64 << 20

// OpenMemory reads what an earlier process remembered; a file that does not exist holds
// nothing, and an empty name keeps all in memory. One that is read-only is read as well as
// that can be, and never written.
//
// Errors: a file that cannot be read. It is not passed over, since that would forget which
// commits are older than what was deployed.
func OpenMemory(file string, readOnly bool) (*Memory, error) {
	m := &Memory{file: file, readOnly: readOnly}
	if file == "" {
		return m, nil
	}
	if err := m.load(false); err != nil && !readOnly {
		return nil, err
	}
	return m, nil
}

// OpenDispensable is [OpenMemory] where nothing is refused by what is remembered: without
// verified commits and signed records. A file that a crash left empty, cut or full of zeros
// is set aside as FILE.damaged, of which damaged is told, and what this process knows by
// itself counts on.
//
// Errors: a file that cannot be read or set aside.
func OpenDispensable(file string, readOnly bool, damaged func(error)) (*Memory, error) {
	m := &Memory{file: file, readOnly: readOnly, damaged: damaged}
	if file == "" {
		return m, nil
	}
	if err := m.load(false); err != nil && !readOnly {
		return nil, err
	}
	return m, nil
}

// errDamaged means that a file is there, and does not hold what was written.
var errDamaged = errors.New("it is damaged")

// setAside gives a damaged file up, so that the next one who writes begins again. What another
// process has written since it was found damaged is not: only one at a time looks and renames.
func (m *Memory) setAside(locked bool) error {
	if m.readOnly {
		return nil
	}
	if !locked {
		unlock, err := lock(m.file)
		if err != nil {
			return m.unwritten(err)
		}
		defer unlock()
	}
	know, info, why := m.read()
	if !errors.Is(why, errDamaged) {
		return m.learn(know, info, why)
	}
	aside := m.file + ".damaged"
	if err := os.Rename(m.file, aside); err != nil {
		return fmt.Errorf("set %s aside: %w", m.file, err)
	}
	m.damaged(fmt.Errorf("%s: %w: it is now %s", m.file, why, aside))
	return nil
}

// load reads the file, unless it is as it was. What is known stays so when that fails. locked
// says that no other process writes meanwhile.
func (m *Memory) load(locked bool) error {
	know, info, err := m.read()
	if m.damaged != nil && errors.Is(err, errDamaged) {
		return m.setAside(locked)
	}
	return m.learn(know, info, err)
}

// read returns what the file holds. Nothing is returned of one that is as it was, or not there.
func (m *Memory) read() (known, fs.FileInfo, error) {
	var know known
	info, err := os.Stat(m.file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return know, nil, nil
	case err != nil:
		return know, nil, err
	case m.seen != nil && os.SameFile(info, m.seen) && info.ModTime().Equal(m.seen.ModTime()):
		return know, nil, nil
	}
	err = readInto(&know, info, m.file)
	if errors.Is(err, fs.ErrNotExist) {
		// Another process has set it aside meanwhile.
		return known{}, nil, nil
	}
	return know, info, err
}

// learn takes what was read.
func (m *Memory) learn(know known, info fs.FileInfo, err error) error {
	if err != nil {
		return fmt.Errorf("read what was deployed last from %s: %w: restore it, or remove it if the tip of the branch is what should be deployed", m.file, err)
	}
	if info != nil {
		m.know, m.seen = know, info
	}
	return nil
}

func readInto(know *known, info fs.FileInfo, file string) error {
	if info.Size() > maxMemory {
		return fmt.Errorf("%w: it has %d bytes", errDamaged, info.Size())
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if len(data) == 0 {
		return fmt.Errorf("%w: it is empty", errDamaged)
	}
	if err := json.Unmarshal(data, know); err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	return nil
}

// look returns what is known now. A file that became unreadable changes nothing: who
// wants to write to it is told.
func (m *Memory) look() known {
	if m.file != "" {
		_ = m.load(false)
	}
	return m.know
}

// Accepted returns the commit that was accepted last; empty when none is known.
func (m *Memory) Accepted() gitrepo.Hash {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.look().Accepted
}

// Accept remembers a commit before it is deployed.
func (m *Memory) Accept(commit gitrepo.Hash, now time.Time) error {
	return m.change(func(k *known) bool {
		same := k.Accepted == commit
		k.Unproven = k.Unproven || k.Accepted == ""
		k.Accepted, k.When = commit, now.UTC()
		return !same
	})
}

// Proven says whether what runs on a host need not be compared with the history of the branch
// any more: it was, or this memory goes back further.
func (m *Memory) Proven(host string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	know := m.look()
	return !know.Unproven || know.Proven[host]
}

// Prove remembers that what runs on a host came from the history of the branch.
func (m *Memory) Prove(host string) error {
	return m.change(func(k *known) bool {
		if !k.Unproven || k.Proven[host] {
			return false
		}
		if k.Proven == nil {
			k.Proven = map[string]bool{}
		}
		k.Proven[host] = true
		return true
	})
}

// ProveAll remembers that an operator has said so of all hosts.
func (m *Memory) ProveAll() error {
	return m.change(func(k *known) bool {
		changed := k.Unproven
		k.Unproven, k.Proven = false, nil
		return changed
	})
}

// Confirmed says whether a record is one that this gitsync wrote, or found to be right.
func (m *Memory) Confirmed(host, digest string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return digest != "" && m.look().Records[host] == digest
}

// Confirm remembers the digests of records, by host; an empty one is forgotten.
func (m *Memory) Confirm(digests map[string]string) error {
	return m.change(func(k *known) bool {
		changed := false
		for host, digest := range digests {
			if k.Records[host] == digest {
				continue
			}
			changed = true
			if k.Records == nil {
				k.Records = map[string]string{}
			}
			if k.Records[host] = digest; digest == "" {
				delete(k.Records, host)
			}
		}
		return changed
	})
}

// Tip returns how far a state branch was; zero when that is not known.
func (m *Memory) Tip(branch string) Tip {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.look().Tips[branch]
}

// SetTip remembers how far a state branch is.
func (m *Memory) SetTip(branch string, tip Tip) error {
	return m.change(func(k *known) bool {
		if k.Tips[branch] == tip {
			return false
		}
		if k.Tips == nil {
			k.Tips = map[string]Tip{}
		}
		k.Tips[branch] = tip
		return true
	})
}

// Digest names a record as it is in the state branch.
func Digest(record []byte) string {
	sum := sha256.Sum256(record)
	return hex.EncodeToString(sum[:])
}

// change changes what is known, and writes it unless change says that it is the same.
func (m *Memory) change(change func(*known) bool) (err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.file != "" && !m.readOnly {
		unlock, err := lock(m.file)
		if err != nil {
			return m.unwritten(err)
		}
		defer unlock()
		if err := m.load(true); err != nil {
			return err
		}
	}
	next := m.know
	next.Records, next.Tips = maps.Clone(m.know.Records), maps.Clone(m.know.Tips)
	next.Identities, next.HostIdentities = maps.Clone(m.know.Identities), maps.Clone(m.know.HostIdentities)
	next.Adopted, next.Proven = slices.Clone(m.know.Adopted), maps.Clone(m.know.Proven)
	next.Machines = maps.Clone(m.know.Machines)
	if !change(&next) {
		return nil
	}
	if m.file != "" && !m.readOnly {
		if err := write(m.file, next); err != nil {
			return m.unwritten(err)
		}
		if m.seen, err = os.Stat(m.file); err != nil {
			return m.unwritten(err)
		}
	}
	m.know = next
	return nil
}

// ErrNotRemembered means that something could not be written to the data directory: it is
// not known to later processes, nor to this one.
var ErrNotRemembered = errors.New("remember what is deployed")

func (m *Memory) unwritten(err error) error {
	return fmt.Errorf("%w: %w", ErrNotRemembered, disk.Explain(filepath.Dir(m.file), 0, err))
}

// lock keeps other processes from writing until it is undone. Who has it only writes a
// small file, and a process that ends lets go of it.
func lock(file string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, err
	}
	l := flock.New(file+".lock", flock.SetPermissions(0o600))
	if err := l.Lock(); err != nil {
		return nil, err
	}
	return func() { _ = l.Close() }, nil
}

// write replaces the file as a whole: a killed process leaves the old one or the new one.
func write(file string, k known) error {
	data, err := json.MarshalIndent(k, "", " ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".new-")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(append(data, '\n'))
	if err := errors.Join(err, f.Chmod(0o600), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), file); err != nil {
		return err
	}
	return syncDir(filepath.Dir(file))
}

// syncDir has the machine remember which files a directory holds, also when its power fails.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
