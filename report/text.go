package report

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// room is how many characters a description may have: GitHub takes no more than 140
// (https://docs.github.com/en/rest/commits/statuses), the others at least 255.
const room = 140

// clean makes foreign text fit for one line on a page of a forge or in a chat: what
// ends a line or steers a terminal becomes a space, and what turns the direction of
// text, or cannot be seen, goes.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp):
			return ' '
		case unicode.In(r, unicode.Cf, unicode.Co):
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	return strings.Join(strings.Fields(text), " ")
}

// fit cuts text off at its end, at a space where there is one not far away.
func fit(text string, size int) string {
	text = clean(text)
	if utf8.RuneCountInString(text) <= size {
		return text
	}
	kept := string([]rune(text)[:size-1])
	if whole := strings.HasPrefix(text[len(kept):], " "); !whole {
		// A hash or a path may be as long as the line: better half of it than none.
		if space := strings.LastIndexByte(kept, ' '); space > len(kept)*2/3 {
			kept = kept[:space]
		}
	}
	return strings.TrimRight(kept, " ,;:") + "…"
}

// count says "1 host" and "2 hosts".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// ofHosts says "2 of 14 hosts", or the name when there is only one host.
func ofHosts(hosts []Host, n int) string {
	if len(hosts) == 1 {
		return hosts[0].Name
	}
	return fmt.Sprintf("%d of %s", n, count(len(hosts), "host"))
}

// place says "web1/db", or "web1" where no container is meant.
func place(host, container string) string {
	if container == "" {
		return host
	}
	return host + "/" + container
}

// short is the form of a hash that people know.
func short(commit string) string { return commit[:min(len(commit), 7)] }

// or is text, or what to say when there is none.
func or(text, instead string) string {
	if text == "" {
		return instead
	}
	return text
}
