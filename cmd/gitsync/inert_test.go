package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// foreign are texts that steer a terminal that shows them, or look other than they are.
var foreign = []string{
	"\x1b[2J", "\x1b]0;title\a", "\x1b]8;;https://evil\x1b\\link", "\x1bc", "\u009b2J", "\x9b2J", "a\rb", "a\nerror: b", "a\bb", "\x7f",
	"\u202egpj", "\u2066a\u2069", "\u200fa", "\u061ca", "a\u200bb", "\ufeffa", "\u2028", "\U000e0041", "a\x00b", "\u0085",
}

func wantInert(t *testing.T, what string, out []byte) {
	t.Helper()
	if !utf8.Valid(out) {
		t.Errorf("%s: %q is no UTF-8", what, out)
	}
	for _, r := range string(out) {
		if steers(r) && r != '\n' {
			t.Errorf("%s: %q holds %U", what, out, r)
		}
	}
}

func TestForeignTextSteersNoTerminal(t *testing.T) {
	for _, text := range foreign {
		wantInert(t, "clean", []byte(clean(text)))
		if strings.ContainsAny(clean(text), "\r\n") {
			t.Errorf("clean(%q) has another line", text)
		}
		var out bytes.Buffer
		if err := (&jsonPrinter{&out}).write(map[string]string{"text": text}); err != nil {
			t.Fatal(err)
		}
		wantInert(t, "JSON", out.Bytes())
		var back map[string]string
		if err := json.Unmarshal(out.Bytes(), &back); err != nil {
			t.Errorf("%s: %v", out.Bytes(), err)
		} else if want := strings.ToValidUTF8(text, "\ufffd"); back["text"] != want {
			t.Errorf("JSON of %q is read as %q", text, back["text"])
		}
	}
	for _, text := range []string{"Grüße, 你好", "👩‍👩‍👧", "a\tb", "نص"} {
		if clean(text) != text {
			t.Errorf("clean changes %q to %q", text, clean(text))
		}
	}
}

func TestOwnColoursPass(t *testing.T) {
	var out bytes.Buffer
	text := "\x1b[2K\x1b[31merror: \x1b[0ma\r\nb"
	if n, err := (inert{&out}).Write([]byte(text + "\x1b[2J")); err != nil || n != len(text)+4 || out.String() != text+"\ufffd[2J" {
		t.Errorf("got %q, %d, %v", out.String(), n, err)
	}
}

// Whatever is written, nothing but our own sequences reaches the terminal.
func FuzzInert(f *testing.F) {
	for _, text := range foreign {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var out, js bytes.Buffer
		_, _ = inert{&out}.Write([]byte(text))
		wantInert(t, "inert", ours.ReplaceAll(out.Bytes(), nil))
		if err := json.NewEncoder(escaped{&js}).Encode(text); err != nil || !json.Valid(js.Bytes()) {
			t.Errorf("%q: %v", js.String(), err)
		}
		wantInert(t, "JSON", js.Bytes())
	})
}
