package secret

import (
	"slices"
	"strings"
	stdsync "sync"
	"unicode/utf8"
)

// Redacted stands where a secret was.
const Redacted = "[secret]"

const (
	// MinBytes is how long a secret is at least: a shorter one could not be kept out of any
	// text.
	MinBytes = 4
	// minSearched is how many characters a secret has at least to be searched for in free
	// text.
	minSearched = 6
	// minLineBytes is how long a line of a secret of several lines is at least to be
	// searched for alone, as programs quote one line of a key.
	minLineBytes = 12
	// maxLines bounds how many parts of a secret are searched for: each has many forms.
	maxLines = 1000
	// prefixBytes is by how many bytes the forms of secrets are found.
	prefixBytes = 4
	// maxTries bounds how often a cut secret is looked for where it repeats itself.
	maxTries = 1000
)

// commonWords are values that are in logs for other reasons. To replace them everywhere
// would hide what is said, and show everybody what the secret is.
var commonWords = []string{
	"default", "development", "disabled", "docker", "enabled", "gitsync", "localhost", "mariadb", "mongodb", "password", "postgres", "postgresql",
	"production", "rabbitmq", "secret", "staging", "changeme", "container", "127.0.0.1", "0.0.0.0", "testing", "username", "example",
}

// Redactor remembers secrets and replaces them in texts. The zero value knows none. It is
// safe for concurrent use. What it was told stays known as long as it lives: an old value
// can turn up in an old container's log.
//
// A secret that is a common word, or has less than six characters, is not searched for:
// see [Redactor.Searches].
type Redactor struct {
	mu    stdsync.RWMutex
	known map[string]bool
	// words are not searched for: the names of hosts.
	words map[string]bool
	// forms are the texts to find, without control characters, by their first bytes, the
	// longest first.
	forms map[string][]string
}

// Add remembers secrets.
func (r *Redactor) Add(values ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, value := range values {
		if r.known[value] || r.common(value) {
			continue
		}
		if r.known == nil {
			r.known, r.forms = map[string]bool{}, map[string][]string{}
		}
		r.known[value] = true
		r.addForms(value)
	}
}

// Except names words that are not searched for, such as the name of the host that a secret
// is for.
func (r *Redactor) Except(words ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	again := false
	for _, word := range words {
		if r.words == nil {
			r.words = map[string]bool{}
		}
		r.words[strings.ToLower(word)] = true
		again = again || r.known[word]
		delete(r.known, word)
	}
	if again {
		r.forms = map[string][]string{}
		for value := range r.known {
			r.addForms(value)
		}
	}
}

// Searches says whether a value is searched for in free text, such as logs and errors. One
// that is not is kept out of what is printed all the same where values are: in environment
// variables, arguments and files.
func (r *Redactor) Searches(value string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return !r.common(value)
}

// common says whether a text is in logs for other reasons than that it is a secret.
func (r *Redactor) common(text string) bool {
	word := strings.ToLower(strings.TrimSpace(text))
	return utf8.RuneCountInString(word) < minSearched || r.words[word] || slices.Contains(commonWords, word)
}

func (r *Redactor) addForms(value string) {
	for _, form := range formsOf(value, r.common) {
		if form, _ = visible(form, allOfIt); len(form) < minSearched {
			continue
		}
		same := r.forms[form[:prefixBytes]]
		at, known := slices.BinarySearchFunc(same, form, func(a, b string) int {
			if len(a) != len(b) {
				return len(b) - len(a)
			}
			return strings.Compare(a, b)
		})
		if !known {
			r.forms[form[:prefixBytes]] = slices.Insert(same, at, form)
		}
	}
}

// Redact returns the text without the secrets, also those with control characters between
// their letters. A nil Redactor returns it as it is.
func (r *Redactor) Redact(text string) string { return r.redact(text, false) }

// RedactCut is Redact for a text that may begin or end in the middle of a secret, such as the
// last lines of a log: the part of the secret is replaced too.
func (r *Redactor) RedactCut(text string) string { return r.redact(text, true) }

func (r *Redactor) redact(text string, cut bool) string {
	if r == nil {
		return text
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	if len(r.forms) == 0 {
		return text
	}
	spans := r.spans(text, cut, allOfIt)
	if hasSequence(text) {
		spans = slices.Concat(spans, r.spans(text, cut, itsBegin), r.spans(text, cut, noMore))
	}
	return replaced(text, spans)
}

// span is a part of a text.
type span struct{ from, to int }

// spans returns where secrets are in a text of which control characters are left out.
func (r *Redactor) spans(text string, cut bool, mode int) []span {
	plain, at := visible(text, mode)
	spans := r.find(plain)
	if cut {
		// It may begin in the middle of a sequence too.
		for _, skip := range []int{0, parameters(plain), len(plain) - len(strings.TrimPrefix(plain, "[")) + parameters(strings.TrimPrefix(plain, "["))} {
			spans = append(spans, r.cutBefore(plain, skip)...)
		}
		spans = append(spans, r.cutAfter(plain)...)
	}
	for i, s := range spans {
		spans[i] = span{at.original(s.from), at.original(s.to-1) + 1}
	}
	return spans
}

// replaced returns the text with one mark in the place of all spans that overlap.
func replaced(text string, spans []span) string {
	if len(spans) == 0 {
		return text
	}
	slices.SortFunc(spans, func(a, b span) int { return a.from - b.from })
	var b strings.Builder
	done := 0
	for i := 0; i < len(spans); {
		from, to := spans[i].from, spans[i].to
		for i++; i < len(spans) && spans[i].from < to; i++ {
			to = max(to, spans[i].to)
		}
		b.WriteString(text[done:from])
		b.WriteString(Redacted)
		done = to
	}
	b.WriteString(text[done:])
	return b.String()
}

// find returns where secrets are in a text, by their beginnings.
func (r *Redactor) find(text string) []span {
	var spans []span
	for i := 0; i+prefixBytes <= len(text); i++ {
		for _, form := range r.forms[text[i:i+prefixBytes]] {
			if strings.HasPrefix(text[i:], form) {
				spans = append(spans, span{i, i + len(form)})
				break
			}
		}
	}
	return spans
}

// cutBefore finds the end of a secret that the text begins with, after so many bytes, or the
// part of one that is all of the text.
func (r *Redactor) cutBefore(whole string, skip int) []span {
	text, longest := whole[skip:], 0
	if len(text) < prefixBytes {
		return nil
	}
	for _, same := range r.forms {
		for _, form := range same {
			for tries, from := 0, 1; tries < maxTries; tries++ {
				i := strings.Index(form[from:], text[:prefixBytes])
				if i < 0 {
					break
				}
				if from += i; strings.HasPrefix(text, form[from:]) || len(text) >= minLineBytes && strings.HasPrefix(form[from:], text) {
					longest = max(longest, min(len(form)-from, len(text)))
					break
				}
				from++
			}
		}
	}
	if longest == 0 {
		return nil
	}
	return []span{{skip, skip + longest}}
}

// cutAfter finds the beginning of a secret that the text ends with.
func (r *Redactor) cutAfter(text string) []span {
	first := len(text)
	for prefix, same := range r.forms {
		for _, form := range same {
			from := max(0, len(text)-len(form)+1)
			for tries := 0; tries < maxTries && from < first; tries++ {
				i := strings.Index(text[from:], prefix)
				if i < 0 {
					break
				}
				if from += i; strings.HasPrefix(form, text[from:]) {
					first = min(first, from)
					break
				}
				from++
			}
		}
	}
	if first == len(text) {
		return nil
	}
	return []span{{first, len(text)}}
}
