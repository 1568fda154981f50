package memory

import (
	"slices"
	stdsync "sync"
	"sync/atomic"
	"time"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/registry"
)

// World is a machine that exists in memory, or in a file. The zero value is an
// empty one in memory. It is safe for concurrent use.
type World struct {
	mu   stdsync.Mutex
	file string
	data worldData
	// stored is what is known of the file.
	stored stored
	// changed is closed at the next change, where somebody waits for it.
	changed chan struct{}
	// pulls are those of this process. They are not data: credentials are never written
	// to a file.
	pulls []Pull
	// clock is the machine's; nil for this process's own.
	clock atomic.Pointer[func() time.Time]
}

// Pull is an image that was asked for, whether or not it is there.
type Pull struct {
	Image      string
	Credential registry.Credential
}

// worldData is what the file holds.
type worldData struct {
	Containers map[string]*record    `json:"containers"`
	Files      map[string]*fileEntry `json:"files"`
	// Volumes holds the files of named volumes, by volume and path.
	Volumes map[string]map[string]*fileEntry `json:"volumes,omitempty"`
	Images  map[string]bool                  `json:"images"`
	// Missing are the images that no registry has.
	Missing map[string]bool `json:"missing,omitempty"`
	// Behaviours says what containers do, by image.
	Behaviours map[string]Behaviour `json:"behaviours,omitempty"`
}

// record is a container.
type record struct {
	ID      string                `json:"id"`
	Name    string                `json:"name"`
	Config  types.ContainerConfig `json:"config"`
	Status  string                `json:"status"`
	Created int64                 `json:"created"`
	Files   map[string]*fileEntry `json:"files,omitempty"`
	// ExitCode is that of the last process.
	ExitCode int   `json:"exitCode,omitempty"`
	Restarts int   `json:"restarts,omitempty"`
	Started  int64 `json:"started,omitempty"`
	Finished int64 `json:"finished,omitempty"`
	// Signals are those that the container was sent.
	Signals []string `json:"signals,omitempty"`
	// Networks are set when somebody changed them by hand.
	Networks []string `json:"networks,omitempty"`
}

// fileEntry is a file or a directory. Content is bytes, so that JSON keeps it
// whole.
type fileEntry struct {
	Content []byte `json:"content,omitempty"`
	Mode    int64  `json:"mode"`
	User    string `json:"uid"`
	Group   string `json:"gid"`
	Dir     bool   `json:"dir,omitempty"`
}

// update runs an action on the world, alone: no other goroutine, and where there
// is a file no other process, sees it half done. An action that returns an error
// has changed nothing.
func (w *World) update(action func(*worldData) error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == "" {
		w.data.init()
		err := action(&w.data)
		if w.changed != nil {
			close(w.changed)
			w.changed = nil
		}
		return err
	}
	return w.updateFile(action)
}

// view runs an action that changes nothing. A world in a file is not locked for that: its
// file is always a whole one.
func (w *World) view(action func(*worldData) error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == "" {
		w.data.init()
		return action(&w.data)
	}
	data, err := w.current()
	if err != nil {
		return err
	}
	return action(data)
}

func (d *worldData) init() {
	if d.Containers == nil {
		d.Containers = map[string]*record{}
	}
	if d.Files == nil {
		d.Files = map[string]*fileEntry{}
	}
	if d.Volumes == nil {
		d.Volumes = map[string]map[string]*fileEntry{}
	}
	if d.Images == nil {
		d.Images = map[string]bool{}
	}
	if d.Missing == nil {
		d.Missing = map[string]bool{}
	}
	if d.Behaviours == nil {
		d.Behaviours = map[string]Behaviour{}
	}
	// JSON leaves out what is empty.
	for _, c := range d.Containers {
		if c.Files == nil {
			c.Files = map[string]*fileEntry{}
		}
	}
	for name, files := range d.Volumes {
		if files == nil {
			d.Volumes[name] = map[string]*fileEntry{}
		}
	}
}

// must is update for what cannot fail on a world in memory.
func (w *World) must(action func(*worldData)) {
	err := w.update(func(d *worldData) error {
		action(d)
		return nil
	})
	if err != nil {
		panic(err)
	}
}

// see is view for what cannot fail on a world in memory.
func (w *World) see(action func(*worldData)) {
	err := w.view(func(d *worldData) error {
		action(d)
		return nil
	})
	if err != nil {
		panic(err)
	}
}

// Containers returns all containers, by name.
func (w *World) Containers() map[string]types.ContainerSummary {
	out := map[string]types.ContainerSummary{}
	w.see(func(d *worldData) {
		for _, c := range d.Containers {
			out[c.Name] = d.summary(c)
		}
	})
	return out
}

// Config returns the settings of the container with this name.
func (w *World) Config(name string) (types.ContainerConfig, bool) {
	var config types.ContainerConfig
	found := false
	w.see(func(d *worldData) {
		if c := d.byName(name); c != nil {
			config, found = c.Config, true
		}
	})
	return config, found
}

// SetClock gives the machine a clock of its own.
func (w *World) SetClock(now func() time.Time) { w.clock.Store(&now) }

// time is the machine's.
func (w *World) time() time.Time {
	if now := w.clock.Load(); now != nil {
		return (*now)()
	}
	return time.Now()
}

// Remove removes a container by hand, whether it runs or not.
func (w *World) Remove(name string) {
	w.must(func(d *worldData) {
		if c := d.byName(name); c != nil {
			delete(d.Containers, c.ID)
		}
	})
}

// SetStatus changes a container's status by hand.
func (w *World) SetStatus(name, status string) {
	w.must(func(d *worldData) {
		if c := d.byName(name); c != nil {
			c.Status = status
		}
	})
}

// HostFile returns a file of the host.
func (w *World) HostFile(path string) (types.File, bool) {
	var file types.File
	found := false
	w.see(func(d *worldData) {
		if f := d.Files[path]; f != nil {
			file, found = *f.file(path), true
		}
	})
	return file, found
}

// WriteHostFile writes a file of the host by hand, owned by root, mode 0644.
func (w *World) WriteHostFile(path, content string) {
	w.must(func(d *worldData) {
		d.Files[path] = &fileEntry{Content: []byte(content), Mode: 0o644, User: "0", Group: "0"}
	})
}

// RemoveHostFile removes a file of the host by hand.
func (w *World) RemoveHostFile(path string) {
	w.must(func(d *worldData) { delete(d.Files, path) })
}

// Pulls returns the pulls of this process, in their order.
func (w *World) Pulls() []Pull {
	var pulls []Pull
	w.see(func(*worldData) { pulls = slices.Clone(w.pulls) })
	return pulls
}

// MissingImage makes an image one that no registry has.
func (w *World) MissingImage(image string) {
	w.must(func(d *worldData) { d.Missing[image] = true })
}

func (d *worldData) byName(name string) *record {
	for _, c := range d.Containers {
		if c.Name == name {
			return c
		}
	}
	return nil
}

func (f *fileEntry) file(path string) *types.File {
	return &types.File{Path: path, Content: string(f.Content), Mode: f.Mode, User: f.User, Group: f.Group}
}
