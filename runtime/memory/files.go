package memory

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
)

// accounts are the users and groups that every image here knows by name.
var accounts = map[string]string{"root": "0", "app": "1234"}

// resolve returns the files that a path of the container belongs to, by its
// mounts, and the path there.
func (d *worldData) resolve(c *record, p string) (map[string]*fileEntry, string) {
	files, rest, best := c.Files, path.Clean(p), ""
	for _, m := range c.Config.Mounts {
		target := path.Clean(m.Target)
		within := p == target || strings.HasPrefix(path.Clean(p)+"/", target+"/")
		if !within || len(target) < len(best) {
			continue
		}
		best = target
		rest = strings.TrimPrefix(path.Clean(p), target)
		if m.Kind() == types.MountBind {
			files, rest = d.Files, path.Join(m.Source, rest)
		} else {
			files, rest = d.Volumes[m.Source], path.Join("/", rest)
		}
	}
	return files, rest
}

// Copy implements runtime.Runtime.
func (r *Runtime) Copy(ctx context.Context, id string, files []*types.File) error {
	return r.on(ctx, id, func(d *worldData, c *record) error {
		for _, f := range files {
			if _, err := account(f.User); err != nil {
				return fmt.Errorf("copy %s: %w", f.Path, err)
			}
			if _, err := account(f.Group); err != nil {
				return fmt.Errorf("copy %s: %w", f.Path, err)
			}
		}
		for _, f := range files {
			if err := d.write(c, f); err != nil {
				return fmt.Errorf("copy %s: %w", f.Path, err)
			}
		}
		return nil
	})
}

// CopyStaged implements runtime.Stager. Files here are replaced in one step anyway.
func (r *Runtime) CopyStaged(ctx context.Context, id, staging string, files []*types.File) error {
	return r.Copy(ctx, id, append(slices.Clone(files), &types.File{Path: staging, Mode: 0o600}))
}

func (d *worldData) write(c *record, f *types.File) error {
	user, _ := account(f.User)
	group, _ := account(f.Group)
	where, p := d.resolve(c, f.Path)
	isDir := strings.HasSuffix(f.Path, "/")
	if existing := where[p]; existing != nil && existing.Dir != isDir {
		return fmt.Errorf("%w: a file and a directory want one path", runtime.ErrInvalid)
	}
	for parent := path.Dir(p); parent != "/"; parent = path.Dir(parent) {
		if where[parent] == nil {
			where[parent] = &fileEntry{Dir: true, Mode: 0o755, User: "0", Group: "0"}
		}
	}
	where[p] = &fileEntry{Content: []byte(f.Content), Mode: f.Mode, User: user, Group: group, Dir: isDir}
	return nil
}

// account returns the number of a user or a group.
func account(name string) (string, error) {
	if name == "" {
		return "0", nil
	}
	if _, err := strconv.Atoi(name); err == nil {
		return name, nil
	}
	if id, ok := accounts[name]; ok {
		return id, nil
	}
	return "", fmt.Errorf("%w: the image knows no user or group %s", runtime.ErrInvalid, name)
}

// Read implements runtime.Runtime.
func (r *Runtime) Read(ctx context.Context, id string, paths []string) ([]*types.File, error) {
	var files []*types.File
	err := r.look(ctx, id, func(d *worldData, c *record) error {
		for _, p := range paths {
			where, inside := d.resolve(c, p)
			switch f := where[inside]; {
			case f == nil:
				if f := accountsFile(c, p); f != nil {
					files = append(files, f)
				}
			case f.Dir:
				return fmt.Errorf("read %s: %w: it is a directory", p, runtime.ErrNotRegular)
			default:
				files = append(files, f.file(p))
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return files, nil
}

// accountsFile returns /etc/passwd or /etc/group, which every image here but the empty one
// has; nil for other paths.
func accountsFile(c *record, p string) *types.File {
	if c.Config.Image == runtime.EmptyImage || p != "/etc/passwd" && p != "/etc/group" {
		return nil
	}
	content := ""
	for _, name := range slices.Sorted(maps.Keys(accounts)) {
		content += fmt.Sprintf("%s:x:%s:\n", name, accounts[name])
	}
	return &types.File{Path: p, Content: content, Mode: 0o644, User: "0", Group: "0"}
}

// Stat implements runtime.Runtime.
func (r *Runtime) Stat(ctx context.Context, id string, paths []string) (map[string]os.FileMode, error) {
	modes := map[string]os.FileMode{}
	err := r.look(ctx, id, func(d *worldData, c *record) error {
		for _, p := range paths {
			where, inside := d.resolve(c, p)
			f := where[inside]
			if f == nil {
				continue
			}
			modes[p] = os.FileMode(f.Mode) & os.ModePerm
			if f.Dir {
				modes[p] |= os.ModeDir
			}
		}
		return nil
	})
	return modes, err
}
