package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/internal/yamlout"
)

// encoder writes the records of one host. It keeps the text of each container, so that a
// change of one among thousands, or another try after a lost race, does not write all of
// them again: YAML takes much longer than JSON. What it keeps it has written itself.
type encoder struct {
	containers map[string]encoded
	// written counts the containers that were written as YAML.
	written int
}

// encoded is the text of a container, and the digest of what it says.
type encoded struct {
	sum  [sha256.Size]byte
	text []byte
}

const (
	stateKey = "previousState"
	// minKept is how many containers a record has at least whose texts are kept: of fewer
	// ones the memory is worth more than the time, on a thousand hosts.
	minKept = 100
)

// encoderOf returns the encoder of a host.
func encoderOf(encoders map[string]*encoder, host string) *encoder {
	if encoders[host] == nil {
		encoders[host] = &encoder{}
	}
	return encoders[host]
}

// yaml returns what [Record.YAML] returns.
func (e *encoder) yaml(r *Record) ([]byte, error) {
	if len(r.PreviousState) < minKept {
		e.containers = nil
		return r.YAML()
	}
	return e.spliced(r)
}

// spliced is yaml with the texts that are kept.
func (e *encoder) spliced(r *Record) ([]byte, error) {
	plain := r.plain()
	if err := e.encode(plain.PreviousState); err != nil {
		return nil, fmt.Errorf("write state record: %w", err)
	}
	section, ok, err := e.section()
	if err != nil || !ok {
		return r.YAML()
	}
	plain.PreviousState = nil
	head, err := yamlout.Marshal(plain)
	if err != nil {
		return nil, fmt.Errorf("write state record: %w", err)
	}
	return splice(head, section), nil
}

// encode brings the texts up to date.
func (e *encoder) encode(state container.ContainersState) error {
	containers := make(map[string]encoded, len(state))
	for key, m := range state {
		data, err := json.Marshal(m)
		if err != nil {
			return err
		}
		next := encoded{sum: sha256.Sum256(data)}
		if known := e.containers[key]; known.sum == next.sum {
			next = known
		} else {
			text, err := yamlout.Marshal(map[string]container.ContainersState{stateKey: {key: m}})
			if err != nil {
				return err
			}
			next.text = bytes.TrimPrefix(text, []byte(stateKey+":\n"))
			e.written++
		}
		containers[key] = next
	}
	e.containers = containers
	return nil
}

// section returns the texts of all containers, in the order that YAML has for their keys. It
// is not ok when a key is written in another way than here.
func (e *encoder) section() (text []byte, ok bool, err error) {
	if len(e.containers) == 0 {
		return nil, true, nil
	}
	keys, byLine := map[string]int{}, make(map[string]encoded, len(e.containers))
	size := len(stateKey) + 2
	for key, c := range e.containers {
		line, _, _ := bytes.Cut(c.text, []byte("\n"))
		keys[key], byLine[string(line)] = 0, c
		size += len(c.text)
	}
	order, err := yamlout.Marshal(keys)
	if err != nil {
		return nil, false, err
	}
	text = append(make([]byte, 0, size), stateKey+":\n"...)
	count := 0
	for line := range strings.Lines(string(order)) {
		c, known := byLine["  "+strings.TrimSuffix(line, " 0\n")]
		if !known {
			return nil, false, nil
		}
		text, count = append(text, c.text...), count+1
	}
	return text, count == len(e.containers), nil
}

// splice puts a section in its place among the keys of a record, which are sorted.
func splice(head, section []byte) []byte {
	at := len(head)
	for from := 0; from < len(head); {
		line := head[from:]
		if c := line[0]; c >= 'a' && c <= 'z' && string(line[:min(len(line), len(stateKey))]) > stateKey {
			at = from
			break
		}
		end := bytes.IndexByte(line, '\n')
		if end < 0 {
			break
		}
		from += end + 1
	}
	return append(append(append(make([]byte, 0, len(head)+len(section)), head[:at]...), section...), head[at:]...)
}
