package secret

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// MaxFileBytes bounds an encrypted file. SOPS reads all of it into memory several times.
const MaxFileBytes = 1 << 20

// maxSecrets bounds the secrets of one file.
const maxSecrets = 1000

// Sealed are the secrets of a host, encrypted as the repo has them. The zero value has
// none. It is not changed once it is made, so that it can be shared.
type Sealed struct {
	// Files hold the bytes of encrypted files, by their paths in the repo.
	Files map[string][]byte
	// Entries are the secrets by their names.
	Entries map[string]Entry
}

// Entry is where a secret is, and what tells that it changed.
type Entry struct {
	// File is a key of Files.
	File string
	// Key is the name inside of a SOPS file; empty for an age file, which is one secret as
	// a whole.
	Key string
	// Digest is that of the ciphertext, as hexadecimal digits: the same for whatever can be
	// made of it by who has no key. It tells nothing of the value.
	Digest string
}

// Digest returns the digest of a ciphertext.
func Digest(ciphertext []byte) string {
	sum := sha256.Sum256(ciphertext)
	return hex.EncodeToString(sum[:16])
}

// Names returns the names of all secrets that can be referred to, sorted.
func (s *Sealed) Names() []string {
	if s == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Sorted(maps.Keys(s.Entries)), func(name string) bool { return !ValidName(name) })
}

// Has says whether there is a secret of this name.
func (s *Sealed) Has(name string) bool {
	if s == nil {
		return false
	}
	_, has := s.Entries[name]
	return has
}

// AddFile adds an age file, under its [FileName].
func (s *Sealed) AddFile(path string, data []byte) {
	s.add(path, data, map[string]Entry{FileName(path): {File: path, Digest: Digest(plainAge(data))}})
}

// AddSOPS adds the entries that [ParseSOPS] found in a file. They take the place of
// those that have the same names.
func (s *Sealed) AddSOPS(path string, data []byte, entries map[string]Entry) {
	for name, entry := range entries {
		entry.File = path
		entries[name] = entry
	}
	s.add(path, data, entries)
}

func (s *Sealed) add(path string, data []byte, entries map[string]Entry) {
	if s.Files == nil {
		s.Files, s.Entries = map[string][]byte{}, map[string]Entry{}
	}
	s.Files[path] = data
	maps.Copy(s.Entries, entries)
}

// Mistake is what is wrong with an encrypted file, and where.
type Mistake struct {
	Line, Column  int
	Message, Hint string
}

var (
	encrypted = regexp.MustCompile(`^ENC\[AES256_GCM,data:([A-Za-z0-9+/=]*),iv:([A-Za-z0-9+/=]+),tag:([A-Za-z0-9+/=]+),type:(str|int|float|bool|bytes|time)\]$`)
	ageHeader = []byte("age-encryption.org/v1\n")
	ageArmor  = []byte("-----BEGIN AGE ENCRYPTED FILE-----")
)

// IsAge says whether the data looks like a file that age encrypted, armored or not.
func IsAge(data []byte) bool {
	return bytes.HasPrefix(data, ageHeader) || bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), ageArmor)
}

// ParseSOPS reads the names and the ciphertexts of a YAML file that SOPS encrypted.
// Nothing is decrypted, and no value that is not encrypted is in a mistake.
func ParseSOPS(data []byte) (map[string]Entry, []Mistake) {
	p := &sopsParser{entries: map[string]Entry{}}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, second yaml.Node
	if err := decoder.Decode(&document); err != nil {
		p.badAt(1, 1, "encrypt it with: sops encrypt --in-place secrets.yaml", "the file is no YAML that SOPS wrote")
		return nil, p.mistakes
	}
	if decoder.Decode(&second) == nil {
		p.bad(&second, "put all secrets into one document", "the file has several YAML documents")
		return nil, p.mistakes
	}
	if len(document.Content) != 1 || document.Content[0].Kind != yaml.MappingNode {
		p.badAt(1, 1, "write name: value, and encrypt it", "the file must be a mapping of names to secrets")
		return nil, p.mistakes
	}
	root := document.Content[0]
	if !p.hasMetadata(root) {
		p.badAt(1, 1, "encrypt it before you commit it: sops encrypt --in-place secrets.yaml; what was pushed in clear text must be changed where it is used",
			"the file is not encrypted by SOPS")
		return nil, p.mistakes
	}
	p.walk("", root)
	return p.entries, p.mistakes
}

type sopsParser struct {
	entries  map[string]Entry
	mistakes []Mistake
}

func (p *sopsParser) bad(n *yaml.Node, hint, format string, args ...any) {
	p.badAt(n.Line, n.Column, hint, format, args...)
}

func (p *sopsParser) badAt(line, column int, hint, format string, args ...any) {
	p.mistakes = append(p.mistakes, Mistake{max(line, 1), max(column, 1), fmt.Sprintf(format, args...), hint})
}

// hasMetadata says whether SOPS' own part is there, with what proves that nothing was
// changed since.
func (p *sopsParser) hasMetadata(root *yaml.Node) bool {
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value != "sops" || root.Content[i+1].Kind != yaml.MappingNode {
			continue
		}
		for j := 0; j+1 < len(root.Content[i+1].Content); j += 2 {
			if root.Content[i+1].Content[j].Value == "mac" {
				return true
			}
		}
	}
	return false
}

func (p *sopsParser) walk(prefix string, mapping *yaml.Node) {
	seen := map[string]bool{}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		name := prefix + key.Value
		switch {
		case prefix == "" && key.Value == "sops":
		case key.Kind != yaml.ScalarNode || !ValidName(name):
			p.bad(key, "use letters, digits, _ and -, beginning with a letter or _", "%q is no name of a secret", shorten(name))
		case seen[key.Value]:
			p.bad(key, "remove one of them", "secret %s is there twice", name)
		case len(p.entries) >= maxSecrets:
			p.bad(key, "move some to a group, or into an encrypted file", "the file has more than %d secrets", maxSecrets)
			return
		case value.Kind == yaml.MappingNode:
			p.walk(name+".", value)
		case value.Kind == yaml.ScalarNode:
			p.value(name, value)
		default:
			p.bad(value, "write one value, or a mapping of names", "secret %s is a list or an alias", name)
		}
		seen[key.Value] = true
	}
}

func (p *sopsParser) value(name string, value *yaml.Node) {
	switch {
	case value.Value == "" || value.ShortTag() == "!!null":
		p.bad(value, "give it a value, or remove it", "secret %s is empty", name)
	case !encrypted.MatchString(value.Value):
		p.bad(value, "encrypt it: sops edit secrets.yaml; what needs no encryption belongs into vars of host.yaml", "secret %s is not encrypted", name)
	default:
		p.entries[name] = Entry{Key: name, Digest: Digest(plainSOPS(value.Value))}
	}
}

// shorten keeps a name that somebody else made to a length for one line.
func shorten(s string) string {
	if r := []rune(s); len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return strings.ToValidUTF8(s, "\ufffd")
}
