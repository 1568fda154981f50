package layout

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

const (
	attributesFile = ".gitattributes"
	// maxAttributeBytes is the largest size of a .gitattributes, and maxAttributeRules how
	// many lines of it may say something about filters or encodings.
	maxAttributeBytes = 1 << 20
	maxAttributeRules = 200
	// maxAttributeWork bounds how often a path is compared with a pattern in one load.
	maxAttributeWork = 5_000_000
	// filterAttribute and encodingAttribute make the work tree show something else than Git
	// holds: gitattributes(5).
	filterAttribute   = "filter"
	encodingAttribute = "working-tree-encoding"
)

// attributes are the .gitattributes of a tree while it is loaded: each is read once.
type attributes struct {
	fsys  fs.FS
	files map[string][]attributeRule
	// macros are those of the root.
	macros map[string][]attribute
	work   int
}

// attributeRule is a line that matters.
type attributeRule struct {
	pattern string
	// at is file:line.
	at     string
	values []attribute
}

// attribute is one that a line sets; one without a value takes what was set back.
type attribute struct{ name, value string }

func newAttributes(fsys fs.FS) *attributes {
	return &attributes{fsys: fsys, files: map[string][]attributeRule{}, macros: map[string][]attribute{}}
}

// check refuses a file that a filter or an encoding makes another one in a work tree. The
// last rule counts, and those of a directory after those of the directories above it.
func (a *attributes) check(file string) error {
	type setting struct{ value, at string }
	set := map[string]setting{}
	for dir := range upTo(path.Dir(file)) {
		rules, err := a.in(dir)
		if err != nil {
			return err
		}
		below := strings.TrimPrefix(file, dir+"/")
		for _, rule := range rules {
			matches := a.matches(rule.pattern, below)
			if a.work > maxAttributeWork {
				return fmt.Errorf("load the repo: its files are compared with more than %d patterns of %s: write fewer rules about %s and %s", maxAttributeWork, attributesFile, filterAttribute, encodingAttribute)
			}
			if !matches {
				continue
			}
			for _, v := range rule.values {
				set[v.name] = setting{v.value, rule.at}
			}
		}
	}
	if s := set[filterAttribute]; s.value != "" {
		return &unusable{
			message: fmt.Sprintf("%s goes through the filter %s (%s), and what Git holds is not its content", quoted(path.Base(file)), quoted(s.value), s.at),
			hint:    "commit the file as it is, with a rule -filter for it in " + attributesFile + "; encrypt secrets with SOPS or age (docs/secrets.md)",
			within:  true,
		}
	}
	if s := set[encodingAttribute]; s.value != "" && !strings.EqualFold(s.value, "UTF-8") && !strings.EqualFold(s.value, "UTF8") {
		return &unusable{
			message: fmt.Sprintf("%s has the working-tree-encoding %s (%s), and Git holds it in UTF-8", quoted(path.Base(file)), quoted(s.value), s.at),
			hint:    "take it out of " + attributesFile + ", and save the file as it is to be deployed",
			within:  true,
		}
	}
	return nil
}

// upTo yields the directories that lead to a directory, the root first, and it too.
func upTo(dir string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		if !yield(".") || dir == "." {
			return
		}
		for i := range len(dir) {
			if dir[i] == '/' && !yield(dir[:i]) {
				return
			}
		}
		yield(dir)
	}
}

// in returns the rules of the .gitattributes of a directory. One that is no plain file does
// not count, as for Git.
func (a *attributes) in(dir string) ([]attributeRule, error) {
	if rules, known := a.files[dir]; known {
		return rules, nil
	}
	a.files[dir] = nil
	data, err := a.read(dir)
	if err != nil || data == nil {
		return nil, err
	}
	name := path.Join(dir, attributesFile)
	data, number := bytes.TrimPrefix(data, []byte("\ufeff")), 0
	var rules []attributeRule
	for line := range strings.Lines(string(data)) {
		number++
		rule, ok := a.parse(line, dir == ".")
		if !ok {
			continue
		}
		rule.at = fmt.Sprintf("%s:%d", name, number)
		if rules = append(rules, rule); len(rules) > maxAttributeRules {
			return nil, &unusable{message: fmt.Sprintf("%s has more than %d rules about filters and encodings", quoted(name), maxAttributeRules), hint: "write fewer, with patterns"}
		}
	}
	a.files[dir] = rules
	return rules, nil
}

// read returns the content of a .gitattributes; nil when there is none.
func (a *attributes) read(dir string) ([]byte, error) {
	name := path.Join(dir, attributesFile)
	info, err := fs.Lstat(a.fsys, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", name, err)
	case !info.Mode().IsRegular():
		return nil, nil
	case info.Size() > maxAttributeBytes:
		return nil, tooLarge(name, info.Size(), maxAttributeBytes)
	}
	f, err := a.fsys.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxAttributeBytes))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return data, nil
}

// parse returns the rule of a line, if it says anything that matters. The macros of the root
// are remembered.
func (a *attributes) parse(line string, root bool) (attributeRule, bool) {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' || line[0] == '!' {
		return attributeRule{}, false
	}
	pattern, rest := line, ""
	if quoted, err := strconv.QuotedPrefix(line); err == nil && line[0] == '"' {
		if pattern, err = strconv.Unquote(quoted); err != nil {
			return attributeRule{}, false
		}
		rest = line[len(quoted):]
	} else if i := strings.IndexAny(line, " \t"); i >= 0 {
		pattern, rest = line[:i], line[i:]
	}
	values := a.values(strings.Fields(rest))
	if name, ok := strings.CutPrefix(pattern, "[attr]"); ok {
		if root && len(values) > 0 && len(a.macros) < maxAttributeRules {
			a.macros[name] = values
		}
		return attributeRule{}, false
	}
	return attributeRule{pattern: pattern, values: values}, len(values) > 0 && len(pattern) <= maxPath
}

// values returns what a line sets, macros expanded, as far as it matters.
func (a *attributes) values(words []string) []attribute {
	var values []attribute
	for _, word := range words {
		name, value, _ := strings.Cut(strings.TrimLeft(word, "-!"), "=")
		switch {
		case name == filterAttribute || name == encodingAttribute:
			// Without a value no filter is named.
			values = append(values, attribute{name, value})
		case word == name && len(a.macros[name]) > 0:
			values = append(values, a.macros[name]...)
		}
	}
	return values
}

// matches says whether a pattern is for a path below the directory of its file: the rules
// are those of gitignore(5), but that a pattern for a directory is for nothing in it.
func (a *attributes) matches(pattern, below string) bool {
	if !strings.Contains(pattern, "/") {
		return a.matchesPart(pattern, path.Base(below))
	}
	return a.matchesParts(strings.Split(strings.TrimPrefix(pattern, "/"), "/"), strings.Split(below, "/"))
}

// matchesPart compares two names.
func (a *attributes) matchesPart(pattern, name string) bool {
	if a.work++; a.work > maxAttributeWork {
		return false
	}
	ok, err := path.Match(pattern, name)
	return err == nil && ok
}

func (a *attributes) matchesParts(pattern, parts []string) bool {
	for i, p := range pattern {
		if p == "**" {
			return a.matchesBelow(pattern[i+1:], parts[min(i, len(parts)):])
		}
		if i >= len(parts) || !a.matchesPart(p, parts[i]) {
			return false
		}
	}
	return len(pattern) == len(parts)
}

// matchesBelow compares what comes after ** with all ends of a path; none of them is empty.
func (a *attributes) matchesBelow(pattern, parts []string) bool {
	if len(pattern) == 0 {
		return len(parts) > 0
	}
	for skip := range parts {
		if a.work++; a.work > maxAttributeWork {
			return false
		}
		if a.matchesParts(pattern, parts[skip:]) {
			return true
		}
	}
	return false
}

// shared names what the .gitattributes above the hosts and groups hold: a host need not be
// read again while it is the same.
func (a *attributes) shared() (string, error) {
	var all strings.Builder
	for _, dir := range []string{".", hostsDir, groupsDir} {
		data, err := a.read(dir)
		var u *unusable
		if err != nil && !errors.As(err, &u) {
			return "", err
		}
		fmt.Fprintf(&all, "%d %s %v\n", len(data), data, u)
	}
	return all.String(), nil
}
