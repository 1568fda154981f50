package secret

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Prefix begins every reference to a secret.
const Prefix = "${secret."

// filePrefix begins the name that stands for an encrypted file of the repo. Nobody can
// write it: it is no [ValidName].
const filePrefix = "file:"

var (
	reference = regexp.MustCompile(`\$?\$\{secret\.([^}\s]*)(\}?)`)
	validName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_-]{0,127}(\.[a-zA-Z0-9_][a-zA-Z0-9_-]{0,127}){0,7}$`)
)

// ValidName says whether a secret can have this name: letters, digits, _ and -, in parts
// with dots between where secrets.yaml has mappings.
func ValidName(name string) bool { return validName.MatchString(name) }

// Refers says whether the text refers to a secret, or has the escaped form of that.
func Refers(text string) bool { return strings.Contains(text, Prefix) }

// Names returns the names of the secrets that the text refers to, sorted, each once.
func Names(text string) []string {
	if !Refers(text) {
		return nil
	}
	var names []string
	for _, match := range reference.FindAllStringSubmatch(text, -1) {
		if !strings.HasPrefix(match[0], "$$") && match[2] != "" {
			names = append(names, match[1])
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Open is the first reference in the text that is not closed by a brace; empty when there
// is none.
func Open(text string) string {
	for _, match := range reference.FindAllStringSubmatch(text, -1) {
		if !strings.HasPrefix(match[0], "$$") && match[2] == "" {
			return match[0]
		}
	}
	return ""
}

// Expand puts the values in the place of the references. A value is taken as it is: what
// looks like a reference in it is none. A name without a value is an error.
func Expand(text string, values map[string]string) (string, error) {
	if !Refers(text) {
		return text, nil
	}
	var missing error
	expanded := reference.ReplaceAllStringFunc(text, func(match string) string {
		name, closed := strings.CutSuffix(match[strings.IndexByte(match, '.')+1:], "}")
		switch value, known := values[name]; {
		case strings.HasPrefix(match, "$$"):
			return match[1:]
		case !closed || !known:
			missing = fmt.Errorf("secret %s is not known", name)
			return match
		default:
			return value
		}
	})
	return expanded, missing
}

// Unescape returns a text that refers to no secret with its $${secret. written out.
func Unescape(text string) string { return strings.ReplaceAll(text, "$"+Prefix, Prefix) }

// FileReference is the whole content of a config file that is an encrypted file of the
// repo, by its path there.
func FileReference(path string) string { return Prefix + filePrefix + path + "}" }

// FileName is the name under which an encrypted file of the repo is known.
func FileName(path string) string { return filePrefix + path }
