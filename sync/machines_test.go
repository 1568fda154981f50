package sync_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	stdsync "sync"
	"testing"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/memory"
	"github.com/gitsync/gitsync/runtime/runtimetest"
	"github.com/gitsync/gitsync/sync"
)

// machines are several machines in memory, by address, each of which may be lost.
type machines struct {
	mu     stdsync.Mutex
	worlds map[string]*memory.World
	lost   map[string]error
	// hangs hold those that answer nothing until their channel is closed.
	hangs map[string]chan struct{}
	// seen is called with the host before each connection.
	seen func(address string)
}

// newMachines returns a world whose hosts have a machine each.
func newMachines(t *testing.T, change ...func(*sync.Options)) (*world, *machines) {
	t.Helper()
	m := &machines{worlds: map[string]*memory.World{}, lost: map[string]error{}, hangs: map[string]chan struct{}{}}
	w := newWorld(t, append([]func(*sync.Options){func(o *sync.Options) { o.Connector = m.connect }}, change...)...)
	return w, m
}

func (m *machines) connect(ctx context.Context, h host.Host, _ container.RuntimeConfig) (runtime.Runtime, func(), error) {
	address, _, _ := strings.Cut(strings.TrimPrefix(h.Address(), "ssh://"), ":")
	m.mu.Lock()
	seen, err, hang := m.seen, m.lost[address], m.hangs[address]
	m.mu.Unlock()
	if seen != nil {
		seen(address)
	}
	if hang != nil {
		select {
		case <-hang:
		case <-ctx.Done():
			return nil, nil, fmt.Errorf("connect to %s: %w: %w", address, runtime.ErrUnreachable, ctx.Err())
		}
	}
	if err != nil {
		return nil, nil, err
	}
	rt, err := (&memory.Config{World: m.world(address)}).New()
	if err != nil {
		return nil, nil, err
	}
	return &mayBeLost{Full: rt.(runtimetest.Full), machines: m, address: address}, func() {}, nil
}

func (m *machines) world(address string) *memory.World {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.worlds[address] == nil {
		m.worlds[address] = &memory.World{}
	}
	return m.worlds[address]
}

// lose lets a machine fail, and find lets it answer again.
func (m *machines) lose(address string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lost[address] = fmt.Errorf("connect to %s: %w: no route to host", address, runtime.ErrUnreachable)
}

func (m *machines) find(address string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.lost, address)
	if hang := m.hangs[address]; hang != nil {
		close(hang)
		delete(m.hangs, address)
	}
}

// hang lets a machine accept and say nothing.
func (m *machines) hang(address string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hangs[address] = make(chan struct{})
}

// runs returns the names of what is on a machine.
func (m *machines) runs(address string) string {
	var names []string
	for name, c := range m.world(address).Containers() {
		if c.Status == "running" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// mayBeLost is a runtime whose machine may be lost while a connection is open.
type mayBeLost struct {
	runtimetest.Full
	machines *machines
	address  string
}

func (r *mayBeLost) List(ctx context.Context, labels map[string]string) (rows []types.ContainerSummary, err error) {
	r.machines.mu.Lock()
	err, hang := r.machines.lost[r.address], r.machines.hangs[r.address]
	r.machines.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if hang != nil {
		select {
		case <-hang:
		case <-ctx.Done():
			return nil, fmt.Errorf("list: %w: %w", runtime.ErrUnreachable, ctx.Err())
		}
	}
	return r.Full.List(ctx, labels)
}

// on returns the files of a host at an address, with containers by name and image.
func on(name, address string, containers map[string]string) map[string]string {
	text := "containers:\n"
	if len(containers) == 0 {
		text = "containers: {}\n"
	}
	for _, key := range slices.Sorted(maps.Keys(containers)) {
		text += "  " + key + ":\n    image: " + containers[key] + "\n    mounts: [data:/data]\n    update: {monitor: 1ms}\n"
	}
	return map[string]string{
		"hosts/" + name + "/containers.yaml": text,
		"hosts/" + name + "/host.yaml":       "ssh: {address: " + address + "}\n",
	}
}

func merged(all ...map[string]string) map[string]string {
	out := map[string]string{}
	for _, m := range all {
		maps.Copy(out, m)
	}
	return out
}
