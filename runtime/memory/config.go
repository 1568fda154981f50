package memory

import (
	stdsync "sync"

	"github.com/gitsync/gitsync/runtime"
)

// Config says which world to use.
type Config struct {
	// File keeps the world between processes; empty keeps it in memory only.
	File string `json:"file,omitempty"`
	// World, when set, is used instead of File.
	World *World `json:"-"`

	once stdsync.Once
}

var _ runtime.Config = (*Config)(nil)

// GetAddress returns the file's name.
func (c *Config) GetAddress() string { return "memory:" + c.File }

// SetAddress changes the file's name.
func (c *Config) SetAddress(address string) { c.File = address }

// New returns the runtime. All runtimes of one Config share one world.
func (c *Config) New() (runtime.Runtime, error) {
	c.once.Do(func() {
		if c.World == nil {
			c.World = &World{file: c.File}
		}
	})
	return &Runtime{world: c.World}, nil
}
