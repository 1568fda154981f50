package main

import (
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestAReasonIsOneLineOfBoundedLength(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"restore running", "restore running"},
		{" two\nlines\t and\r\x1b[31m colour ", "two lines and [31m colour"},
		{"\x00\n", ""},
		{"turned \u202earound", "turned \ufffdaround"},
		{"not \xff text", "not \ufffd text"},
		{strings.Repeat("ä", maxReason), strings.Repeat("ä", maxReason)},
		{strings.Repeat("ä", maxReason+1), strings.Repeat("ä", maxReason-1) + "…"},
	} {
		got := oneLine(tt.text)
		if got != tt.want || utf8.RuneCountInString(got) > maxReason {
			t.Errorf("%q becomes %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestWhoSuspendsIsAUserOfAMachine(t *testing.T) {
	machine, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("USER", "kim\n")
	if got, want := operator(), "kim@"+machine; got != want {
		t.Errorf("it is %q, want %q", got, want)
	}
	t.Setenv("USER", "")
	if got := operator(); strings.HasPrefix(got, "@") || !strings.HasSuffix(got, "@"+machine) {
		t.Errorf("without $USER it is %q", got)
	}
}
