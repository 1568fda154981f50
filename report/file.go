package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// outboxVersion is that of the file's format.
const outboxVersion = 1

// readOutbox reads a file. One that is not there is an empty outbox; one that cannot be
// used is an error, beside an empty outbox to start anew with.
func readOutbox(file string) (*outbox, error) {
	empty := &outbox{Version: outboxVersion}
	if file == "" {
		return empty, nil
	}
	raw, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return empty, nil
	}
	if err != nil {
		return empty, fmt.Errorf("read what is to be told: %w", err)
	}
	o := &outbox{}
	if err := json.Unmarshal(raw, o); err != nil {
		return empty, fmt.Errorf("read what is to be told: %s is damaged: %w", file, err)
	}
	if o.Version != outboxVersion {
		return empty, fmt.Errorf("read what is to be told: %s has version %d, want %d", file, o.Version, outboxVersion)
	}
	for i := range o.Queue {
		o.seq++
		o.Queue[i].seq = o.seq
	}
	return o, nil
}

// write replaces the file in one step, unless it has these bytes already. Only its owner
// may read it: it says what is wrong with which host.
func (o *outbox) write(file string) error {
	if file == "" {
		return nil
	}
	raw, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("write what is to be told: %w", err)
	}
	if bytes.Equal(raw, o.written) {
		return nil
	}
	if err := replace(file, raw); err != nil {
		return fmt.Errorf("write what is to be told: %w", err)
	}
	o.written = raw
	return nil
}

// replace writes a file beside another and puts it in its place.
func replace(file string, raw []byte) error {
	// A temporary file has the mode 0600.
	temp, err := os.CreateTemp(filepath.Dir(file), ".outbox-*")
	if err != nil {
		return err
	}
	_, err = temp.Write(raw)
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), file)
	}
	if err != nil {
		_ = os.Remove(temp.Name())
	}
	return err
}

// keepFor drops what this process cannot tell: statuses and deployments for another
// repo or forge, or without a forge at all, and messages without anybody to send them
// to.
func (o *outbox) keepFor(target string, forge, notifier bool) {
	if o.Target != target {
		o.Told, o.Until = nil, time.Time{}
		o.Memory.Pending, o.Memory.Deploying = nil, nil
	}
	kept := o.Queue[:0]
	for _, e := range o.Queue {
		if e.Message != nil && notifier || e.Message == nil && forge && o.Target == target {
			kept = append(kept, e)
		}
	}
	o.Queue, o.Target = kept, target
}
