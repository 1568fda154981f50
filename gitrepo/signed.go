package gitrepo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage"
)

// maxHeader bounds a commit or a tag that is to be verified: message and signature
// included.
const maxHeader = 4 << 20

// Signed is a commit or a tag as its signature sees it.
type Signed struct {
	// Payload are the bytes without the signature, Armored is the signature; empty when
	// there is none.
	Payload []byte
	Armored string
	// When is the committer's, or the tagger's, time.
	When time.Time
}

// SignedCommit is a commit, and what of it was signed. Its tree is not there.
type SignedCommit struct {
	Commit
	Signed
	// Root is the tree that it holds.
	Root Hash
}

// SignedTag is an annotated tag.
type SignedTag struct {
	Signed
	// Name is its own, Target the commit that it points to.
	Name   string
	Target Hash
}

// readRaw returns the bytes of an object, which git's name is the digest of.
func readRaw(from storage.Storer, kind plumbing.ObjectType, hash Hash) ([]byte, error) {
	o, err := from.EncodedObject(kind, hash.git())
	if err != nil {
		return nil, err
	}
	if o.Size() > maxHeader {
		return nil, fmt.Errorf("%s %s: %d bytes are %w: the limit is %d", kind, hash.Short(), o.Size(), ErrTooLarge, maxHeader)
	}
	r, err := o.Reader()
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(r, maxHeader))
	return raw, errors.Join(err, r.Close())
}

// readSigned reads a commit twice: as go-git does, and byte for byte, since what is
// verified must be what was signed.
func readSigned(from storage.Storer, hash Hash) (*SignedCommit, error) {
	raw, err := readRaw(from, plumbing.CommitObject, hash)
	if err != nil {
		return nil, err
	}
	parsed, err := object.GetCommit(from, hash.git())
	if err != nil {
		return nil, err
	}
	c := &SignedCommit{Commit: *describe(parsed), Root: Hash(parsed.TreeHash.String())}
	headers, payload, armored, err := splitCommit(raw)
	if err != nil {
		return nil, fmt.Errorf("commit %s: %w", hash.Short(), err)
	}
	c.Payload, c.Armored = payload, armored
	// What it says is what was signed, whoever else would read it in another way.
	_, message, _ := bytes.Cut(payload, []byte("\n\n"))
	c.Message = string(message)
	wanted := []string{"tree " + string(c.Root)}
	for _, p := range c.Parents {
		wanted = append(wanted, "parent "+string(p))
	}
	wanted = append(wanted, "author ", "committer ")
	if len(headers) != len(wanted) {
		return nil, fmt.Errorf("commit %s: its headers are not those of a commit", hash.Short())
	}
	for i, header := range headers {
		if header != wanted[i] && (!strings.HasSuffix(wanted[i], " ") || !strings.HasPrefix(header, wanted[i])) {
			return nil, fmt.Errorf("commit %s: its headers are not those of a commit", hash.Short())
		}
	}
	if c.Signed.When, err = timeOf(headers[len(headers)-1]); err != nil {
		return nil, fmt.Errorf("commit %s: %w", hash.Short(), err)
	}
	return c, nil
}

// splitCommit takes the signature out of a commit. headers are those that each commit
// has, in their order.
func splitCommit(raw []byte) (headers []string, payload []byte, armored string, err error) {
	head, message, found := bytes.Cut(raw, []byte("\n\n"))
	if !found {
		// A commit without a message.
		head, message = bytes.TrimSuffix(raw, []byte("\n")), nil
	}
	if bytes.IndexByte(head, 0) >= 0 {
		return nil, nil, "", errors.New("there is a NUL byte in its headers")
	}
	var kept [][]byte
	inSignature, signatures := false, 0
	var sig strings.Builder
	for line := range bytes.SplitSeq(head, []byte("\n")) {
		continued := len(line) > 0 && line[0] == ' '
		switch {
		case continued && inSignature:
			sig.Write(line[1:])
			sig.WriteByte('\n')
			continue
		case bytes.HasPrefix(line, []byte("gpgsig ")):
			inSignature = true
			signatures++
			sig.Write(line[len("gpgsig "):])
			sig.WriteByte('\n')
			continue
		case bytes.HasPrefix(line, []byte("gpgsig-sha256 ")):
			return nil, nil, "", errors.New("it has a signature for SHA-256 repos too, which is not understood")
		}
		inSignature = false
		for _, name := range []string{"tree ", "parent ", "author ", "committer "} {
			if bytes.HasPrefix(line, []byte(name)) {
				headers = append(headers, string(line))
			}
		}
		kept = append(kept, line)
	}
	if signatures > 1 {
		return nil, nil, "", errors.New("it has several signatures")
	}
	payload = bytes.Join(kept, []byte("\n"))
	if found {
		payload = append(append(payload, "\n\n"...), message...)
	} else {
		payload = append(payload, raw[len(head):]...)
	}
	return headers, payload, sig.String(), nil
}

var timeSuffix = regexp.MustCompile(`> (\d{1,12}) [+-]\d{4}$`)

// timeOf reads the time of a committer or a tagger line.
func timeOf(line string) (time.Time, error) {
	found := timeSuffix.FindStringSubmatch(line)
	if found == nil {
		return time.Time{}, errors.New("it does not say when it was made")
	}
	seconds, err := strconv.ParseInt(found[1], 10, 64)
	return time.Unix(seconds, 0).UTC(), err
}

// beginnings are how signatures begin in a tag.
var beginnings = []string{"-----BEGIN SSH SIGNATURE-----", "-----BEGIN PGP SIGNATURE-----"}

// readTag reads an annotated tag of a commit.
func readTag(from storage.Storer, hash Hash) (*SignedTag, error) {
	raw, err := readRaw(from, plumbing.TagObject, hash)
	if err != nil {
		return nil, err
	}
	text := string(raw)
	head, _, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(head, "\n")
	if len(lines) != 4 || strings.ContainsRune(head, 0) {
		return nil, errors.New("its headers are not those of a tag")
	}
	t := &SignedTag{}
	for i, part := range []struct {
		prefix string
		to     *string
	}{{"object ", (*string)(&t.Target)}, {"type commit", new(string)}, {"tag ", &t.Name}, {"tagger ", new(string)}} {
		value, ok := strings.CutPrefix(lines[i], part.prefix)
		if !ok {
			return nil, errors.New("its headers are not those of a tag of a commit")
		}
		*part.to = value
	}
	if t.When, err = timeOf(lines[3]); err != nil {
		return nil, err
	}
	begin := -1
	for _, b := range beginnings {
		begin = max(begin, strings.LastIndex(text, "\n"+b)+1)
	}
	t.Payload = raw
	if begin > 0 {
		t.Payload, t.Armored = raw[:begin], text[begin:]
	}
	return t, nil
}
