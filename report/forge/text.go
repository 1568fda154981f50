package forge

import (
	"regexp"
	"strings"
	"unicode"
)

// maxDescription is how many characters a description has at most. GitHub refuses longer
// ones, the others cut what they show; one limit for all keeps them the same.
const maxDescription = 140

// line is text as a forge shows it: one line of at most limit characters. GitHub takes no
// character beyond the basic plane ("description doesn't accept 4-byte Unicode",
// https://github.com/ouzi-dev/commit-status-updater/issues/526).
func line(text string, limit int) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r) || unicode.IsControl(r):
			return ' '
		case r > 0xffff:
			return unicode.ReplacementChar
		case unicode.Is(unicode.Cf, r): // direction marks, zero-width characters
			return -1
		}
		return r
	}, text)
	runes := []rune(strings.Join(strings.Fields(clean), " "))
	if len(runes) <= limit {
		return string(runes)
	}
	return strings.TrimRight(string(runes[:limit-1]), " ") + "…"
}

// volatile is what differs each time that the same goes wrong: IDs, ports of connections,
// times of day, and how long something took.
var volatile = regexp.MustCompile(`\b[0-9a-f]{12,64}\b|\b[0-9]{1,2}:[0-9]{2}:[0-9]{2}\b|\b[0-9]{5,}\b|\b[0-9]+\.[0-9]+(ms|s)\b`)

// Steady is a description less what differs each time that the same goes wrong. Two that
// are the same then need no second status.
func Steady(description string) string { return volatile.ReplaceAllString(description, "…") }
