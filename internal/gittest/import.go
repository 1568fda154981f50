package gittest

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"
)

// firstCommit is when the first commit of each repo was made.
var firstCommit = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// commit makes one commit of changes in the language of git fast-import.
func (r *Repo) commit(branch, message, changes string) string {
	r.t.Helper()
	var in strings.Builder
	r.header(&in, branch, message)
	if parent := r.Hash(branch); parent != "" {
		fmt.Fprintf(&in, "from %s\n", parent)
	}
	in.WriteString(changes)
	r.fastImport(in.String())
	return r.Hash(branch)
}

// Generate adds many commits to a branch at once, and returns the hash of the last
// one. Each changes the file counter, and says so in a message of its own.
func (r *Repo) Generate(branch string, commits int) string {
	r.t.Helper()
	var in strings.Builder
	parent := r.Hash(branch)
	for i := range commits {
		r.header(&in, branch, fmt.Sprintf("Count to %d", i+1))
		if i == 0 && parent != "" {
			fmt.Fprintf(&in, "from %s\n", parent)
		}
		change(&in, "100644", "counter", fmt.Sprintf("%d\n", i+1))
	}
	r.fastImport(in.String())
	return r.Hash(branch)
}

// Heavy adds many commits to a branch at once, each with another file of so many bytes, that
// cannot be compressed, in the place of the one before. The last one removes it, and its hash
// is returned.
func (r *Repo) Heavy(branch string, commits, bytes int) string {
	r.t.Helper()
	var in strings.Builder
	parent := r.Hash(branch)
	for i := range commits + 1 {
		r.header(&in, branch, "Heavy")
		if i == 0 && parent != "" {
			fmt.Fprintf(&in, "from %s\n", parent)
		}
		if i == commits {
			in.WriteString("D blob\n")
			break
		}
		change(&in, "100644", "blob", Noise(bytes, r.commits))
	}
	r.fastImport(in.String())
	return r.Hash(branch)
}

// Noise is text that cannot be compressed: the same for the same seed.
func Noise(bytes, seed int) string {
	data := make([]byte, bytes)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(data)
	return string(data)
}

func (r *Repo) header(w io.Writer, branch, message string) {
	at := firstCommit.Add(time.Duration(r.commits) * time.Minute).Unix()
	r.commits++
	fmt.Fprintf(w, "commit refs/heads/%s\nauthor Alice Admin <alice@example.com> %d +0000\ncommitter Alice Admin <alice@example.com> %d +0000\n", branch, at, at)
	fmt.Fprintf(w, "data %d\n%s\n", len(message), message)
}

// change writes the line that sets an entry, with its content.
func change(w io.Writer, mode, path, content string) {
	fmt.Fprintf(w, "M %s inline %s\ndata %d\n%s\n", mode, path, len(content), content)
}

// fastImport makes one pack of each import, also of a small one.
func (r *Repo) fastImport(in string) {
	r.t.Helper()
	r.git([]byte(in), "-c", "fastimport.unpackLimit=0", "fast-import", "--quiet", "--date-format=raw")
}
