package gittest

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Answers are what a server says that speaks the protocol, but not the truth.
type Answers struct {
	// Advertisement and Pack answer the two requests of a fetch.
	Advertisement, Pack http.HandlerFunc
}

// ServeAnswers serves made-up answers on a loopback port until the end of the test, and
// returns the address of the repo.
func ServeAnswers(t testing.TB, answers Answers) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := answers.Pack
		if strings.HasSuffix(r.URL.Path, "/info/refs") {
			answer = answers.Advertisement
			w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
		} else {
			w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
		}
		if answer == nil {
			http.NotFound(w, r)
			return
		}
		answer(w, r)
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL + "/infra.git"
}

// Says is an answer of some bytes.
func Says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
}

// Line is a pkt-line.
func Line(text string) string { return fmt.Sprintf("%04x%s", len(text)+4, text) }

// Advertise is an advertisement of references: "HASH NAME" each.
func Advertise(refs ...string) string {
	var out strings.Builder
	out.WriteString(Line("# service=git-upload-pack\n") + "0000")
	for i, ref := range refs {
		if i == 0 {
			ref += "\x00shallow no-progress ofs-delta agent=hostile"
		}
		out.WriteString(Line(ref + "\n"))
	}
	return out.String() + "0000"
}

// Shallow is the answer to a first fetch, with a pack that holds what it likes.
func Shallow(tip string, pack []byte) string {
	return Line("shallow "+tip) + "0000" + Line("NAK\n") + string(pack)
}

// Kinds of the entries of a pack.
const (
	CommitKind   = 1
	TreeKind     = 2
	BlobKind     = 3
	OffsetDelta  = 6
	RefDelta     = 7
	UnknownKind  = 5
	packVersion2 = 2
)

// Entry is an entry of a pack. What it says of itself need not be so.
type Entry struct {
	Kind byte
	// Size is what the header says; negative for the length of the content.
	Size int64
	// Base is between header and content: what a delta is applied to.
	Base []byte
	// Content is compressed, unless Raw is set, which is written as it is.
	Content, Raw []byte
}

// Whole is an entry that tells the truth.
func Whole(kind byte, content []byte) Entry { return Entry{Kind: kind, Size: -1, Content: content} }

// MakePack makes a pack that claims to have so many entries; negative for as many as
// there are.
func MakePack(claims int64, entries ...Entry) []byte {
	if claims < 0 {
		claims = int64(len(entries))
	}
	var out bytes.Buffer
	out.WriteString("PACK")
	_ = binary.Write(&out, binary.BigEndian, []uint32{packVersion2, uint32(claims)})
	for _, e := range entries {
		out.Write(e.bytes())
	}
	sum := sha1.Sum(out.Bytes())
	return append(out.Bytes(), sum[:]...)
}

func (e Entry) bytes() []byte {
	size := uint64(e.Size)
	if e.Size < 0 {
		size = uint64(len(e.Content))
	}
	head := []byte{e.Kind<<4 | byte(size&15)}
	for size >>= 4; size > 0; size >>= 7 {
		head[len(head)-1] |= 0x80
		head = append(head, byte(size&127))
	}
	head = append(head, e.Base...)
	if e.Raw != nil {
		return append(head, e.Raw...)
	}
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	// Writes to a buffer cannot fail.
	_, _ = w.Write(e.Content)
	_ = w.Close()
	return append(head, packed.Bytes()...)
}

// Delta is the content of a delta that says it makes so many bytes of so many.
func Delta(base, target uint64, commands ...byte) []byte {
	return append(binary.AppendUvarint(binary.AppendUvarint(nil, base), target), commands...)
}

// ObjectHash is Git's name for an object.
func ObjectHash(kind byte, content []byte) [20]byte {
	name := map[byte]string{CommitKind: "commit", TreeKind: "tree", BlobKind: "blob"}[kind]
	return sha1.Sum(append(fmt.Appendf(nil, "%s %d\x00", name, len(content)), content...))
}

// MakeCommit is the content of a commit.
func MakeCommit(tree [20]byte, message string) []byte {
	return fmt.Appendf(nil, "tree %x\nauthor Mallory <m@example.com> 1767323045 +0000\ncommitter Mallory <m@example.com> 1767323045 +0000\n\n%s\n", tree, message)
}

// TreeEntry is an entry of a tree, whatever Git would say to it.
type TreeEntry struct {
	Mode, Name string
	Hash       [20]byte
}

// MakeTree is the content of a tree, in the order given.
func MakeTree(entries ...TreeEntry) []byte {
	var out []byte
	for _, e := range entries {
		out = append(fmt.Appendf(out, "%s %s\x00", e.Mode, e.Name), e.Hash[:]...)
	}
	return out
}

// Object puts an object into the repo, whatever Git would say to it, and returns its hash.
func (r *Repo) Object(kind byte, content []byte) [20]byte {
	r.t.Helper()
	name := map[byte]string{CommitKind: "commit", TreeKind: "tree", BlobKind: "blob"}[kind]
	hash := r.git(content, "hash-object", "-t", name, "-w", "--literally", "--stdin")
	if want := ObjectHash(kind, content); hash != fmt.Sprintf("%x", want) {
		r.t.Fatalf("git calls the object %s, want %x", hash, want)
	}
	return ObjectHash(kind, content)
}

// HashOf is Git's name for what is at a path of a commit or branch, as an object.
func (r *Repo) HashOf(ref, path string) (hash [20]byte) {
	r.t.Helper()
	if _, err := hex.Decode(hash[:], []byte(r.Git("rev-parse", ref+":"+path))); err != nil {
		r.t.Fatal(err)
	}
	return hash
}
