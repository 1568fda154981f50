package ssh

import (
	"cmp"
	"fmt"
	"os/user"
	"strings"

	"github.com/kevinburke/ssh_config"
)

// decideMatches replaces the Match lines of an ssh_config by Host lines for one host and
// user: the library knows Match host only, and refuses a whole file for any other.
//
// Errors: [ErrConfig] for what gitsync cannot decide, where it may concern the host.
func decideMatches(text, file, alias, login string) (string, error) {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		fields := strings.Fields(strings.Replace(line, "=", " ", 1))
		if len(fields) == 0 || !strings.EqualFold(fields[0], "match") {
			continue
		}
		matches, unknown := decide(fields[1:], alias, login)
		if matches && unknown != "" {
			return "", fmt.Errorf("%w: %s:%d: %q: Match %s is not supported: take it out, or keep it from %s by a host in the same line (Match host … %s …), or give another file with --ssh-config, or none",
				ErrConfig, file, i+1, strings.TrimSpace(line), unknown, alias, unknown)
		}
		lines[i] = "Host !*"
		if matches {
			lines[i] = "Host *"
		}
	}
	return strings.Join(lines, "\n"), nil
}

// decide says whether all criteria of a Match line are met that gitsync knows, and names
// one that it does not.
func decide(criteria []string, alias, login string) (matches bool, unknown string) {
	matches = true
	for len(criteria) > 0 {
		name, negated := strings.CutPrefix(strings.ToLower(criteria[0]), "!")
		criteria = criteria[1:]
		if strings.HasPrefix(name, "#") {
			break
		}
		if name == "all" {
			matches = matches && !negated
			continue
		}
		value := ""
		if len(criteria) > 0 {
			value, criteria = criteria[0], criteria[1:]
		}
		var met bool
		switch name {
		case "host", "originalhost":
			met = inList(value, alias)
		case "user":
			met = inList(value, login)
		case "localuser":
			u, err := user.Current()
			met = err == nil && inList(value, u.Username)
		default:
			// What follows may be the words of a command.
			return matches, cmp.Or(name, "without a criterion")
		}
		matches = matches && met != negated
	}
	return matches, ""
}

// inList says whether a list of patterns, with commas between them, has a name.
func inList(list, name string) bool {
	found := false
	for _, text := range strings.Split(strings.Trim(list, `"`), ",") {
		text, negated := strings.CutPrefix(text, "!")
		pattern, err := ssh_config.NewPattern(text)
		if err != nil || !(&ssh_config.Host{Patterns: []*ssh_config.Pattern{pattern}}).Matches(name) {
			continue
		}
		if negated {
			return false
		}
		found = true
	}
	return found
}
