package outbox

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Item is one commit that a state branch does not have yet.
type Item struct {
	// Branch is the branch that it is for.
	Branch string `json:"branch"`
	// Base is the commit that the branch was at when the item was put in; empty when there
	// was none, or none was known.
	Base string `json:"base,omitempty"`
	// When is when it was put in.
	When time.Time `json:"when"`
	// Entry is the message of the commit, in the form of whoever writes it.
	Entry json.RawMessage `json:"entry"`
	// Records are the files of the hosts; nil removes one.
	Records map[string]*string `json:"records"`
	// Confirmed are the hosts whose records are known to be right.
	Confirmed []string `json:"confirmed,omitempty"`
	// Dropped counts the records before this one that were dropped, since too many waited.
	Dropped int `json:"dropped,omitempty"`
}

// header begins a file, and names the format; the digest of what follows comes after it.
const header = "gitsync-outbox 1 sha256:"

var errFormat = errors.New("not a file of gitsync's outbox")

// hostName is what a host may be called: its name becomes part of a path.
var hostName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$`)

// encode returns the content of an item's file.
func encode(item Item) ([]byte, error) {
	body, err := json.Marshal(item)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	return append([]byte(header+hex.EncodeToString(sum[:])+"\n"), body...), nil
}

// decode reads the content of an item's file.
func decode(data []byte) (Item, error) {
	var item Item
	first, body, found := bytes.Cut(data, []byte("\n"))
	sum, ok := strings.CutPrefix(string(first), header)
	if !found || !ok {
		return item, errFormat
	}
	if real := sha256.Sum256(body); hex.EncodeToString(real[:]) != sum {
		return item, errors.New("its digest is another one: it is damaged")
	}
	if err := json.Unmarshal(body, &item); err != nil {
		return item, err
	}
	if item.Branch == "" || len(item.Records) == 0 {
		return item, errors.New("it has no branch, or no record")
	}
	for host := range item.Records {
		if !hostName.MatchString(host) {
			return item, fmt.Errorf("%q is not a valid host name", host)
		}
	}
	return item, nil
}

// size is how much an item counts.
func (i Item) size() int64 {
	size := int64(len(i.Entry))
	for host, record := range i.Records {
		size += int64(len(host))
		if record != nil {
			size += int64(len(*record))
		}
	}
	return size
}
