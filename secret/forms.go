package secret

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// formsOf returns the ways in which programs write a value: as it is, quoted by Go, in
// JSON, in HTML, in a shell, in a URL, in Latin-1, in base64 at any offset, in hexadecimal
// digits; and, of one with several lines, each line that is long enough, up to [maxLines].
// Parts that are common are left out.
func formsOf(value string, common func(string) bool) []string {
	parts := []string{value, strings.TrimSpace(value)}
	if strings.ContainsAny(value, "\r\n") {
		for line := range strings.Lines(value) {
			if line = strings.TrimSpace(line); len(line) >= minLineBytes && !common(line) {
				parts = append(parts, line)
			}
			if len(parts) == maxLines {
				break
			}
		}
	}
	var forms []string
	slices.Sort(parts)
	for _, part := range slices.Compact(parts) {
		quoted := strconv.Quote(part)
		ascii := strconv.QuoteToASCII(part)
		forms = append(forms, part, quoted[1:len(quoted)-1], ascii[1:len(ascii)-1], inJSON(part, true), inJSON(part, false),
			// What is quoted twice: an error in a JSON answer, in a JSON log.
			inJSON(inJSON(part, true), true), inJSON(quoted[1:len(quoted)-1], true),
			strings.ReplaceAll(part, "'", `'\''`), strings.ReplaceAll(part, "'", `'"'"'`), strings.ReplaceAll(part, "\n", `\n`),
			url.QueryEscape(part), url.PathEscape(part), url.UserPassword("", part).String()[1:],
			hex.EncodeToString([]byte(part)), strings.ToUpper(hex.EncodeToString([]byte(part))))
		forms = append(forms, inHTML(part)...)
		forms = append(forms, inLatin1(part)...)
		forms = append(forms, inBase64(part)...)
	}
	slices.Sort(forms)
	return slices.Compact(forms)
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

// inHTML returns how a value is in HTML and XML: quotes have several names there, and some
// programs leave them as they are.
func inHTML(value string) []string {
	escaped := html.EscapeString(value)
	var forms []string
	for _, double := range []string{"&#34;", "&quot;", "&#x22;", `"`} {
		for _, single := range []string{"&#39;", "&apos;", "&#x27;", "&#039;", "'"} {
			forms = append(forms, strings.NewReplacer("&#34;", double, "&#39;", single).Replace(escaped))
		}
	}
	return forms
}

// inLatin1 returns the bytes of a value in Latin-1, and its bytes in UTF-8 taken for Latin-1;
// none when it is plain ASCII.
func inLatin1(value string) []string {
	var narrow, wide strings.Builder
	for _, r := range value {
		if r > 0xff {
			narrow.Reset()
			break
		}
		narrow.WriteByte(byte(r))
	}
	ascii := true
	for i := range len(value) {
		wide.WriteRune(rune(value[i]))
		ascii = ascii && value[i] < utf8.RuneSelf
	}
	switch {
	case ascii:
		return nil
	case narrow.Len() == 0:
		return []string{wide.String()}
	}
	// JSON and others write a replacement in the place of such a byte.
	valid := string([]rune(narrow.String()))
	return []string{
		narrow.String(), valid, strings.ReplaceAll(valid, "\ufffd", `\ufffd`), inJSON(narrow.String(), true), inJSON(narrow.String(), false), inJSON(valid, true), wide.String(),
	}
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
			if to-from >= minSearched {
				forms = append(forms, text[from:to])
			}
		}
	}
	return forms
}
