package e2e_test

import (
	"compress/gzip"
	"net/http"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/internal/gittest"
)

// endless writes a text again and again, until the client has had enough.
func endless(begin, text string) http.HandlerFunc {
	chunk := []byte(strings.Repeat(text, 1+(1<<16)/len(text)))
	return func(w http.ResponseWriter, r *http.Request) {
		_, err := w.Write([]byte(begin))
		for err == nil && r.Context().Err() == nil {
			_, err = w.Write(chunk)
		}
	}
}

// status answers with a status and a body.
func status(code int, body http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(code)
		body(w, r)
	}
}

func redirect(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
}

// zipped is a bomb: a gigabyte in a megabyte.
func zipped(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Encoding", "gzip")
	bomb := gzip.NewWriter(w)
	line := []byte(gittest.Line(strings.Repeat("1", 40) + " refs/heads/" + strings.Repeat("a", 900) + "\n"))
	for range 1 << 20 {
		if _, err := bomb.Write(line); err != nil {
			return
		}
	}
	_ = bomb.Close()
}

func TestAHostileGitServerIsAnError(t *testing.T) {
	const tip = "1111111111111111111111111111111111111111"
	good := gittest.Says(gittest.Advertise(tip + " refs/heads/main"))
	begin := strings.TrimSuffix(gittest.Advertise(tip+" refs/heads/main"), "0000")
	a := newAttack(t)
	for name, c := range map[string]struct {
		answers gittest.Answers
		want    string
	}{
		"an advertisement without end":   {gittest.Answers{Advertisement: endless(begin, gittest.Line(tip+" refs/heads/"+strings.Repeat("a", 900)+"\n"))}, "too large"},
		"a compressed advertisement":     {gittest.Answers{Advertisement: zipped}, ""},
		"an advertisement that is HTML":  {gittest.Answers{Advertisement: gittest.Says("<html>\x1b[2J</html>")}, "fetch "},
		"a line that is short":           {gittest.Answers{Advertisement: gittest.Says("0001")}, "fetch "},
		"a line that is negative":        {gittest.Answers{Advertisement: gittest.Says("-001")}, "fetch "},
		"a line that is longer than all": {gittest.Answers{Advertisement: gittest.Says("ffff" + tip)}, "fetch "},
		"half an advertisement":          {gittest.Answers{Advertisement: gittest.Says(begin[:len(begin)-9])}, "fetch "},
		"a short line after shallow":     {gittest.Answers{Advertisement: gittest.Says(begin + gittest.Line("shallow "+tip+"\n") + gittest.Line("x\n"))}, "fetch "},
		"a hash that is none":            {gittest.Answers{Advertisement: gittest.Says(gittest.Advertise(strings.Repeat("z", 40) + " refs/heads/main"))}, "fetch "},
		"names that are tricks":          {gittest.Answers{Advertisement: gittest.Says(gittest.Advertise(tip+" refs/heads/../../main", tip+" refs/heads/\x1b[2J\u202emain", tip+" refs/heads/-rf"))}, "no such branch"},
		"a message with an escape":       {gittest.Answers{Advertisement: gittest.Says(gittest.Line("ERR \x1b[2J\u009bgo away\n"))}, "fetch "},
		"an error without end":           {gittest.Answers{Advertisement: status(http.StatusInternalServerError, endless("", "\x1b[2J"))}, "fetch "},
		"a login without end":            {gittest.Answers{Advertisement: status(http.StatusUnauthorized, endless("", "x"))}, "fetch "},
		"headers without end":            {gittest.Answers{Advertisement: func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 4<<20)) }}, "header"},
		"a redirect to a file":           {gittest.Answers{Advertisement: redirect("file:///etc/passwd")}, "fetch "},
		"a redirect to itself":           {gittest.Answers{Advertisement: redirect("info/refs?service=git-upload-pack")}, "redirect"},
		"a pack without end":             {gittest.Answers{Advertisement: good, Pack: endless(gittest.Shallow(tip, []byte("PACK\x00\x00\x00\x02\x00\x00\x00\x01\x30")), "\x00\xff")}, "broken pack"},
		"a pack that is HTML":            {gittest.Answers{Advertisement: good, Pack: gittest.Says("<html>")}, "fetch "},
		"no pack":                        {gittest.Answers{Advertisement: good, Pack: gittest.Says("")}, "fetch "},
		"a pack of four billion objects": {gittest.Answers{Advertisement: good, Pack: gittest.Says(gittest.Shallow(tip, gittest.MakePack(1<<32-1)))}, "it claims to have"},
		"other objects than asked for":   {gittest.Answers{Advertisement: good, Pack: gittest.Says(gittest.Shallow(tip, gittest.MakePack(-1, gittest.Whole(gittest.BlobKind, []byte("x")))))}, "missing"},
	} {
		t.Run(name, func(t *testing.T) {
			a.t = t
			a.wantRefused(gittest.ServeAnswers(t, c.answers), c.want)
		})
	}
}
