package memory

import "fmt"

// Fill makes so many containers run at once, as one change.
func (w *World) Fill(count int) {
	w.must(func(d *worldData) {
		for i := range count {
			id := randomHex()
			c := &record{ID: id, Name: fmt.Sprintf("app%d", i), Status: "running", Files: map[string]*fileEntry{}}
			c.Config.Image, c.Config.Labels = "nginx:1", map[string]string{"label": "value"}
			d.Containers[id] = c
		}
	})
}

// FileAccess returns how often the world's file was read and written as a whole.
func (w *World) FileAccess() (reads, writes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stored.reads, w.stored.writes
}
