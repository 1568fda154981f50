package runtimetest

import (
	"testing"
	"time"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
)

// empty makes a container that only holds a name and labels.
func empty(t *testing.T, s *suite) {
	labels := map[string]string{"io.gitsync.test": name("empty")}
	id, config := s.create(t, func(c *types.ContainerConfig) {
		c.Image, c.Args, c.NetworkMode, c.Labels = runtime.EmptyImage, []string{"never-started"}, "none", labels
	})
	rows, err := s.rt.List(testContext(t), labels)
	ok(t, "list", err)
	if len(rows) != 1 || rows[0].ID != id || rows[0].Name != config.Name || rows[0].Status != types.StatusCreated {
		t.Errorf("the list has %+v, want the empty container", rows)
	}
	_, err = s.rt.Create(testContext(t), config)
	wantErr(t, "create it again", err, runtime.ErrNameInUse)
	ok(t, "delete", s.rt.Delete(testContext(t), id))
}

// clock compares the machine's time with that of what it made. It may be far from ours.
func clock(t *testing.T, s *suite) {
	id, _ := s.create(t)
	before, err := s.rt.Time()
	ok(t, "time", err)
	rows, err := s.rt.List(testContext(t), nil)
	ok(t, "list", err)
	after, err := s.rt.Time()
	ok(t, "time", err)
	if after.Before(before) {
		t.Errorf("the time goes from %s back to %s", before, after)
	}
	for _, row := range rows {
		if row.ID == id && (row.Created.After(after.Add(2*time.Second)) || row.Created.Before(before.Add(-time.Hour))) {
			t.Errorf("the container is of %s, and it is %s", row.Created, after)
		}
	}
}
