package signature

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// Signers are SSH keys that may sign: a file of allowed signers, as in ALLOWED SIGNERS of
// ssh-keygen(1).
type Signers struct {
	file  string
	lines []signerLine
}

// signerLine is one key.
type signerLine struct {
	number        int
	principals    []string
	namespaces    []string
	after, before time.Time
	key           ssh.PublicKey
}

// name is who the key belongs to.
func (l signerLine) name() string { return strings.Join(l.principals, ",") }

// Empty says whether nobody is allowed.
func (s Signers) Empty() bool { return len(s.lines) == 0 }

func (s Signers) where() string {
	if s.file == "" {
		return "the allowed signers (there are none: set --verify-signers)"
	}
	return s.file
}

// SignersOf allows keys without a file.
func SignersOf(name string, keys ...ssh.PublicKey) Signers {
	s := Signers{file: name}
	for i, key := range keys {
		s.lines = append(s.lines, signerLine{number: i + 1, principals: []string{name}, key: key})
	}
	return s
}

const (
	// maxLine bounds a line, and maxLines a file.
	maxLine  = 64 << 10
	maxLines = 100_000
)

// ParseSigners reads a file of allowed signers; file is its name, for errors. Unlike
// ssh-keygen, which passes over what it cannot read, it refuses the file: a line that is
// misread allows somebody, or nobody, against the writer's will. All mistakes are reported
// at once.
func ParseSigners(file string, data []byte) (Signers, error) {
	s := Signers{file: file}
	var mistakes []error
	number := 0
	for line := range strings.Lines(string(data)) {
		number++
		if number > maxLines {
			return Signers{}, fmt.Errorf("%s: more than %d lines", file, maxLines)
		}
		line = strings.TrimRight(line, "\r\n")
		if text := strings.TrimLeft(line, " \t"); text == "" || text[0] == '#' {
			continue
		}
		parsed, err := parseSigner(line)
		if err != nil {
			mistakes = append(mistakes, fmt.Errorf("%s:%d: %w", file, number, err))
			continue
		}
		parsed.number = number
		s.lines = append(s.lines, parsed)
	}
	if len(mistakes) > 0 {
		return Signers{}, errors.Join(mistakes...)
	}
	return s, nil
}

// parseSigner reads PRINCIPALS [OPTIONS] KEYTYPE BASE64 [COMMENT].
func parseSigner(line string) (signerLine, error) {
	var l signerLine
	if len(line) > maxLine {
		return l, errors.New("the line is too long")
	}
	if strings.ContainsRune(line, 0) {
		return l, errors.New("there is a NUL byte in it")
	}
	principals, rest, err := cutWord(strings.TrimLeft(line, " \t"))
	if err != nil {
		return l, fmt.Errorf("principals: %w", err)
	}
	for p := range strings.SplitSeq(principals, ",") {
		if strings.TrimPrefix(p, "!") == "" {
			return l, errors.New("principals: an empty one: write names with commas between, and no spaces")
		}
		l.principals = append(l.principals, p)
	}
	if rest == "" {
		return l, errors.New("there is no key: write PRINCIPAL [OPTIONS] KEYTYPE KEY")
	}
	if key, err := parseKey(rest); err == nil {
		l.key = key
	} else {
		options, after, cutErr := cutOptions(rest)
		if cutErr != nil {
			return l, cutErr
		}
		if len(strings.Fields(after)) < 2 {
			return l, err
		}
		if l.key, err = parseKey(after); err != nil {
			return l, err
		}
		if err := l.setOptions(options); err != nil {
			return l, err
		}
	}
	if _, isCertificate := l.key.(*ssh.Certificate); isCertificate {
		return l, errors.New("it is a certificate: write the plain key")
	}
	if err := strong(l.key); err != nil {
		return l, err
	}
	return l, nil
}

// cutWord cuts a word off, which may be in double quotes.
func cutWord(s string) (word, rest string, err error) {
	if quoted, isQuoted := strings.CutPrefix(s, `"`); isQuoted {
		end := strings.IndexByte(quoted, '"')
		if end < 0 {
			return "", "", errors.New("the quote does not end")
		}
		word, rest = quoted[:end], quoted[end+1:]
		if rest != "" && rest[0] != ' ' && rest[0] != '\t' {
			return "", "", errors.New("there is text after the quote: put a space between")
		}
	} else {
		end := strings.IndexAny(s, " \t")
		if end < 0 {
			end = len(s)
		}
		word, rest = s[:end], s[end:]
		if strings.Contains(word, `"`) {
			return "", "", errors.New("a quote in the middle: put all of it in quotes")
		}
	}
	return word, strings.TrimLeft(rest, " \t"), nil
}

// parseKey reads KEYTYPE BASE64 [COMMENT].
func parseKey(s string) (ssh.PublicKey, error) {
	fields := strings.Fields(s)
	if len(fields) < 2 {
		return nil, errors.New("there is no key: write PRINCIPAL [OPTIONS] KEYTYPE KEY")
	}
	data, err := base64.StdEncoding.DecodeString(fields[1])
	if err != nil {
		return nil, fmt.Errorf("the key cannot be read: %w", err)
	}
	key, err := ssh.ParsePublicKey(data)
	if err != nil {
		return nil, fmt.Errorf("the key cannot be read: %w", err)
	}
	if key.Type() != fields[0] {
		return nil, fmt.Errorf("the key says that it is of the type %s, not %s", key.Type(), fields[0])
	}
	return key, nil
}

// cutOptions cuts the options off: up to a space that is not in quotes. A backslash
// before a quote makes it part of the text.
func cutOptions(s string) (options, rest string, err error) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s) && s[i+1] == '"':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ' ' || c == '\t'):
			return s[:i], strings.TrimLeft(s[i:], " \t"), nil
		}
	}
	if quoted {
		return "", "", errors.New("options: a quote does not end")
	}
	return s, "", nil
}

// setOptions reads options with commas between.
func (l *signerLine) setOptions(options string) error {
	seen := map[string]bool{}
	for options != "" {
		var name, value string
		var hasValue bool
		var err error
		if name, value, hasValue, options, err = cutOption(options); err != nil {
			return err
		}
		if seen[name] {
			return fmt.Errorf("option %s is there twice", name)
		}
		seen[name] = true
		if err := l.setOption(name, value, hasValue); err != nil {
			return err
		}
	}
	if !l.after.IsZero() && !l.before.IsZero() && !l.before.After(l.after) {
		return errors.New("valid-before is not after valid-after, so that the key is never valid")
	}
	return nil
}

func (l *signerLine) setOption(name, value string, hasValue bool) error {
	switch name {
	case "cert-authority":
		return errors.New("option cert-authority: certificates do not count: list the plain keys of those who sign")
	case "namespaces", "valid-after", "valid-before":
	default:
		return fmt.Errorf("option %q is not known: there are namespaces, valid-after and valid-before", name)
	}
	if !hasValue || value == "" {
		return fmt.Errorf(`option %s needs a value in quotes, such as %s="…"`, name, name)
	}
	var err error
	switch name {
	case "namespaces":
		l.namespaces = strings.Split(value, ",")
	case "valid-after":
		l.after, err = parseTime(value)
	case "valid-before":
		l.before, err = parseTime(value)
	}
	if err != nil {
		return fmt.Errorf("option %s: %w", name, err)
	}
	return nil
}

// cutOption cuts NAME or NAME="VALUE" off a list of options.
func cutOption(s string) (name, value string, hasValue bool, rest string, err error) {
	end := strings.IndexAny(s, "=,")
	if end < 0 {
		return strings.ToLower(s), "", false, "", nil
	}
	name = strings.ToLower(s[:end])
	if s[end] == ',' {
		rest = s[end+1:]
		if rest == "" {
			err = errors.New("options end with a comma")
		}
		return name, "", false, rest, err
	}
	s = s[end+1:]
	if s == "" || s[0] != '"' {
		return "", "", false, "", fmt.Errorf(`option %s: put the value in quotes: %s="…"`, name, name)
	}
	var b strings.Builder
	i := 1
	for ; i < len(s) && s[i] != '"'; i++ {
		if s[i] == '\\' && i+1 < len(s) && s[i+1] == '"' {
			i++
		}
		b.WriteByte(s[i])
	}
	if i >= len(s) {
		return "", "", false, "", fmt.Errorf("option %s: the quote does not end", name)
	}
	rest = s[i+1:]
	if rest != "" {
		if rest[0] != ',' || rest == "," {
			return "", "", false, "", fmt.Errorf("option %s: there is %q after its value", name, rest)
		}
		rest = rest[1:]
	}
	return name, b.String(), true, rest, nil
}

// parseTime reads YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS: in UTC with a Z at the end,
// else in the time zone of this machine, as ssh-keygen does.
func parseTime(s string) (time.Time, error) {
	zone, digits := time.Local, s
	if text, isUTC := strings.CutSuffix(s, "Z"); isUTC {
		zone, digits = time.UTC, text
	} else if text, isUTC := strings.CutSuffix(s, "UTC"); isUTC {
		zone, digits = time.UTC, text
	}
	layout := "20060102150405"
	switch len(digits) {
	case 8, 12, 14:
		layout = layout[:len(digits)]
	default:
		return time.Time{}, fmt.Errorf("%q is no time: write YYYYMMDD, or YYYYMMDDHHMMSSZ", s)
	}
	t, err := time.ParseInLocation(layout, digits, zone)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is no time: write YYYYMMDD, or YYYYMMDDHHMMSSZ", s)
	}
	return t, nil
}
