package secret_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"html"
	"net/url"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/secret"
)

func TestTheRedactorFindsASecretInEveryForm(t *testing.T) {
	const value = "pa$$ \"w&rd'\n-----BEGIN KEY-----\nMIIEowIBAAKCAQEA7yn3\n"
	r := &secret.Redactor{}
	r.Add(value, "plain-secret")
	inJSON, err := json.Marshal(map[string]string{"error": value})
	if err != nil {
		t.Fatal(err)
	}
	twice, err := json.Marshal(string(inJSON))
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{
		"as it is": "x" + value + "y", "in Go's quotes": fmt.Sprintf("%q", value), "in JSON": string(inJSON), "in JSON in JSON": string(twice),
		"a line of it": "failed: MIIEowIBAAKCAQEA7yn3", "in a URL": "https://u:" + url.QueryEscape("plain-secret+x") + "@h", "hex": hex.EncodeToString([]byte(value)),
		"plain": "plain-secret", "hex of the plain one": hex.EncodeToString([]byte("plain-secret")),
	}
	for offset := range 3 {
		texts[fmt.Sprint("base64 after ", offset)] = base64.StdEncoding.EncodeToString([]byte(strings.Repeat("u", offset) + "plain-secret:"))
	}
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			got := r.Redact(text)
			if !strings.Contains(got, secret.Redacted) {
				t.Errorf("nothing was found in %q", text)
			}
			for _, part := range []string{"MIIEowIBAAKCAQEA7yn3", "plain-secret", "w&rd"} {
				if strings.Contains(got, part) {
					t.Errorf("%q still has %q", got, part)
				}
			}
		})
	}
}

func TestARedactorLeavesOtherTextsAlone(t *testing.T) {
	var none *secret.Redactor
	r := &secret.Redactor{}
	r.Add("abc", "", "long-enough")
	for _, text := range []string{"", "abc", "nothing of interest", "long_enough"} {
		if got := r.Redact(text); got != text {
			t.Errorf("got %q, want %q", got, text)
		}
		if got := none.Redact(text); got != text {
			t.Errorf("nobody: got %q, want %q", got, text)
		}
	}
}

func TestASecretIsFoundInHTMLShellsAndOtherEncodings(t *testing.T) {
	const value = `Kö<nig's & "Tüte"` + "`#42"
	r := &secret.Redactor{}
	r.Add(value)
	var latin1 []byte
	for _, c := range value {
		latin1 = append(latin1, byte(c))
	}
	inJSON, err := json.Marshal(string(latin1))
	if err != nil {
		t.Fatal(err)
	}
	var inXML strings.Builder
	if err := xml.EscapeText(&inXML, []byte(value)); err != nil {
		t.Fatal(err)
	}
	mojibake := make([]rune, 0, len(value))
	for i := range len(value) {
		mojibake = append(mojibake, rune(value[i]))
	}
	for name, text := range map[string]string{
		"HTML": html.EscapeString(value), "XML": inXML.String(), "HTML with named quotes": strings.NewReplacer("<", "&lt;", "&", "&amp;", `"`, "&quot;").Replace(value),
		"a shell": "sh -c '" + strings.ReplaceAll(value, "'", `'"'"'`) + "'", "another shell": strings.ReplaceAll(value, "'", `'\''`),
		"Latin-1": string(latin1), "Latin-1 in JSON": string(inJSON), "Latin-1 that was made valid": string([]rune(string(latin1))), "UTF-8 taken for Latin-1": string(mojibake),
	} {
		if got := r.Redact("a " + text + " z"); !strings.Contains(got, secret.Redacted) || strings.Contains(got, "nig") || strings.Contains(got, "te") {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

func TestASecretIsFoundWithControlCharactersInIt(t *testing.T) {
	r := &secret.Redactor{}
	r.Add("hunter2-hunter2", "MIIEowIBAAKC\nAQEA7yn3abcd\n")
	for _, between := range []string{
		"\x00", "\n", "\r\n", "\t", "\x7f", "\x1b[0m", "\x1b[1;31m", "\x1b", "\x1b(B", "\x1b]", "\u009b0m", "\u0085", "\x1b[", "\n\x1b[K\n", "\b",
	} {
		for at := range len("hunter2-hunter2") - 1 {
			text := "log: " + "hunter2-hunter2"[:at+1] + between + "hunter2-hunter2"[at+1:] + " end"
			got := r.Redact(text)
			if got = strings.TrimPrefix(got, "log: "); !strings.HasPrefix(got, secret.Redacted) || strings.Contains(got, "hunter") {
				t.Fatalf("%q: got %q", text, got)
			}
		}
	}
	if got := r.Redact("MIIEowIBAAKC AQEA\nMIIEowIBAAKC\r\nAQEA7yn3abcd\r\nend"); !strings.HasSuffix(got, "\n"+secret.Redacted+"\r\nend") {
		t.Errorf("got %q", got)
	}
	const colored = "\x1b[32mready\x1b[0m\nto \x1b]0;title\x07 hunt\n"
	if got := r.Redact(colored); got != colored {
		t.Errorf("what is no secret became %q", got)
	}
}

func TestSecretsThatOverlapAreBothReplaced(t *testing.T) {
	r := &secret.Redactor{}
	r.Add("abcdefgh", "efghijkl", "longer-abcdefgh-longer")
	for text, want := range map[string]string{
		"-abcdefghijkl-": "-[secret]-", "-abcdefghabcdefgh-": "-[secret][secret]-", "longer-abcdefgh-longer": "[secret]", "longer-abcdefgh": "longer-[secret]",
	} {
		if got := r.Redact(text); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestASecretThatIsCutIsNotPrintedInPart(t *testing.T) {
	const value = "correct horse battery staple"
	r := &secret.Redactor{}
	r.Add(value, "aaaaaaaaaaaaaaaa")
	for at := 1; at < len(value); at++ {
		for name, form := range map[string]string{"as it is": value, "hex": hex.EncodeToString([]byte(value)), "in pieces": strings.ReplaceAll(value, " ", " \x1b[0m")} {
			end, begin := r.RedactCut(form[at:]+" was refused\n"), r.RedactCut("the password "+form[:at])
			for _, got := range []string{end, begin} {
				rest := strings.NewReplacer(" was refused\n", "", "the password ", "", "\x1b[0m", "", secret.Redacted, "").Replace(got)
				if len(rest) >= secret.MinBytes+3 { // with what a cut left of a sequence
					t.Errorf("%s, cut at %d: got %q", name, at, got)
				}
			}
		}
	}
	const other = "nothing of the kind\n"
	if got := r.RedactCut(other); got != other {
		t.Errorf("got %q", got)
	}
	if got := r.RedactCut("aaaaaa"); got != secret.Redacted {
		t.Errorf("got %q", got)
	}
}

func TestASecretThatIsACommonWordIsNotSearchedFor(t *testing.T) {
	r := &secret.Redactor{}
	r.Except("database7")
	r.Add("true", "abcde", "database7", "Postgres", "  false  ", "later-host", "unusual-value")
	r.Except("later-host")
	const text = "host database7: true, abcde, postgres false later-host"
	if got := r.Redact(text + " unusual-value"); got != text+" "+secret.Redacted {
		t.Errorf("got %q", got)
	}
	for value, want := range map[string]bool{"true": false, "abcde": false, "database7": false, "Postgres": false, "later-host": false, "unusual-value": true, "abcdef": true, "äöüäö": false} {
		if got := r.Searches(value); got != want {
			t.Errorf("%s: got %v, want %v", value, got, want)
		}
	}
}

// BenchmarkRedact searches the longest log that is quoted for a thousand secrets.
func BenchmarkRedact(b *testing.B) {
	r := &secret.Redactor{}
	for i := range 1000 {
		r.Add(fmt.Sprintf("password-of-the-service-%d-%x", i, i*7919))
	}
	text := strings.Repeat("\x1b[32mlevel=info\x1b[0m password-of-the-service is asked for by nobody in this line\n", 750)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if got := r.RedactCut(text); len(got) != len(text) {
			b.Fatal("something was found")
		}
	}
}

func TestTheMiddleOfASecretIsNotPrintedWhereThereIsNothingElse(t *testing.T) {
	t.Parallel()
	r := &secret.Redactor{}
	r.Add("correct-horse-battery-staple")
	for text, want := range map[string]string{"rect-horse-battery": secret.Redacted, "horse": "horse", "the battery": "the battery"} {
		if got := r.RedactCut(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

// Each line has dozens of forms: a secret of very many lines would take minutes.
func TestOfASecretOfVeryManyLinesTheFirstAreSearchedForAlone(t *testing.T) {
	t.Parallel()
	var value strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&value, "line-of-a-secret-%06d\n", i)
	}
	r := &secret.Redactor{}
	r.Add(value.String())
	for text, found := range map[string]bool{"line-of-a-secret-000001": true, "line-of-a-secret-019999": false, value.String(): true} {
		if got := r.Redact(text); strings.HasPrefix(got, secret.Redacted) != found {
			t.Errorf("%.40q becomes %.40q", text, got)
		}
	}
}
