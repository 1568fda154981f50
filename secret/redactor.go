package secret

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	stdsync "sync"
	"sync/atomic"
)

// Redacted stands where a secret was.
const Redacted = "[secret]"

const (
	// MinBytes is how long a secret is at least: a shorter one could not be told from
	// other text, and so not kept out of it.
	MinBytes = 4
	// minLineBytes is how long a line of a secret of several lines is at least to be
	// looked for alone, as programs quote one line of a key.
	minLineBytes = 12
)

// Redactor remembers secrets and replaces them in texts. The zero value knows none. It is
// safe for concurrent use. What it was told stays known as long as it lives: an old value
// can turn up in an old container's log.
type Redactor struct {
	mu       stdsync.Mutex
	known    map[string]bool
	forms    []string
	replacer atomic.Pointer[strings.Replacer]
}

// Add remembers secrets. Values below [MinBytes] are not.
func (r *Redactor) Add(values ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := len(r.forms)
	for _, value := range values {
		if len(value) < MinBytes || r.known[value] {
			continue
		}
		if r.known == nil {
			r.known = map[string]bool{}
		}
		r.known[value] = true
		r.forms = append(r.forms, formsOf(value)...)
	}
	if len(r.forms) == before {
		return
	}
	// The longest come first: a secret may be a part of another one.
	slices.SortFunc(r.forms, func(a, b string) int { return len(b) - len(a) })
	r.forms = slices.Compact(r.forms)
	pairs := make([]string, 0, 2*len(r.forms))
	for _, form := range r.forms {
		pairs = append(pairs, form, Redacted)
	}
	r.replacer.Store(strings.NewReplacer(pairs...))
}

// Redact returns the text without the secrets. A nil Redactor returns it as it is.
func (r *Redactor) Redact(text string) string {
	if r == nil {
		return text
	}
	replacer := r.replacer.Load()
	if replacer == nil {
		return text
	}
	return replacer.Replace(text)
}

// formsOf returns the ways in which programs write a value: as it is, quoted by Go, in
// JSON, in a shell, in a URL, in base64 at any offset, in hexadecimal digits; and, of one
// with several lines, each line that is long enough.
func formsOf(value string) []string {
	var forms []string
	parts := []string{value, strings.TrimSpace(value)}
	if strings.ContainsAny(value, "\r\n") {
		for line := range strings.Lines(value) {
			if line = strings.TrimSpace(line); len(line) >= minLineBytes {
				parts = append(parts, line)
			}
		}
	}
	for _, part := range parts {
		if len(part) < MinBytes {
			continue
		}
		quoted := strconv.Quote(part)
		ascii := strconv.QuoteToASCII(part)
		forms = append(forms, part, quoted[1:len(quoted)-1], ascii[1:len(ascii)-1], inJSON(part, true), inJSON(part, false),
			// What is quoted twice: an error in a JSON answer, in a JSON log.
			inJSON(inJSON(part, true), true), inJSON(quoted[1:len(quoted)-1], true),
			strings.ReplaceAll(part, "'", `'\''`), strings.ReplaceAll(part, "\n", `\n`),
			url.QueryEscape(part), url.PathEscape(part), url.UserPassword("", part).String()[1:],
			hex.EncodeToString([]byte(part)), strings.ToUpper(hex.EncodeToString([]byte(part))))
		forms = append(forms, inBase64(part)...)
	}
	return slices.DeleteFunc(forms, func(form string) bool { return len(form) < MinBytes })
}

func inJSON(s string, escapeHTML bool) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(escapeHTML)
	if encoder.Encode(s) != nil {
		return s
	}
	text := strings.TrimSuffix(b.String(), "\n")
	return text[1 : len(text)-1]
}

// inBase64 returns what stays the same of a value's base64 wherever it is in the encoded
// text, in both alphabets: its first and last digits depend on what is beside it.
func inBase64(value string) []string {
	var forms []string
	for offset := range 3 {
		padded := strings.Repeat("\x00", offset) + value
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := encoding.EncodeToString([]byte(padded))
			from := (offset*8 + 5) / 6
			to := len(padded) * 8 / 6
			if to-from >= MinBytes+2 {
				forms = append(forms, text[from:to])
			}
		}
	}
	return forms
}
