package container

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/gitsync/gitsync/container/types"
)

// ManifestDir is a directory on each host that has config files. It holds, for each
// owner, a list of the files that gitsync wrote there, which is how it tells them
// from files of others: after a crash, for a container that was removed and comes
// back, or when the recorded state is lost.
const ManifestDir = "/var/lib/gitsync"

// Manifest returns the path of the list on the host: one path a line.
func (o *Origin) Manifest() string { return o.own("files", o.owner()) }

// manifests returns the paths of all lists that are ours: also those that were written when
// the repo had another address, or the branch another name.
func (o *Origin) manifests() []string {
	lists := []string{o.Manifest()}
	if o == nil {
		return lists
	}
	for _, of := range o.former {
		if list := o.own("files", of.owner); !slices.Contains(lists, list) {
			lists = append(lists, list)
		}
	}
	return lists
}

// Staging returns the path on the host under which the list of [Origin.Manifest] is complete
// before it gets its own name. An empty file stays there. A config file has such a path in
// its own directory.
func (o *Origin) Staging() string { return o.own("staged", o.owner()) }

// IsOwnFile says by its name whether a file in [ManifestDir] is one that gitsync keeps
// there.
func IsOwnFile(name string) bool {
	return strings.HasPrefix(name, "files-") || strings.HasPrefix(name, "staged-")
}

// stagingIn returns the path under which a file of the directory is complete before it gets
// its own name. It is in that directory, since a file can only be renamed within what is
// bound.
func (o *Origin) stagingIn(dir string) string {
	if dir == ManifestDir {
		return o.Staging()
	}
	return path.Join(dir, ".gitsync-"+path.Base(o.Staging()))
}

// own returns the path of a file that belongs to one host directory of one owner.
func (o *Origin) own(base, owner string) string {
	host := "local"
	if o != nil {
		host = o.Host
	}
	sum := sha256.Sum256([]byte(owner))
	return path.Join(ManifestDir, base+"-"+host+"-"+hex.EncodeToString(sum[:4]))
}

// owned returns the files that the lists name.
func (h *hostFiles) owned(ctx context.Context) (map[string]bool, error) {
	lists := h.origin.manifests()
	found, err := h.read(ctx, lists)
	if err != nil {
		return nil, err
	}
	owned := map[string]bool{}
	for i, list := range lists {
		if found[list] == nil {
			continue
		}
		for line := range strings.Lines(found[list].Content) {
			path := strings.TrimSuffix(line, "\n")
			h.inherits = h.inherits || i > 0 && !owned[path]
			owned[path] = true
		}
	}
	return owned, nil
}

// writeOwned writes files, and before them their names into the list, so that no file of
// ours is ever taken for somebody else's.
func (h *hostFiles) writeOwned(ctx context.Context, files []*types.File, owned map[string]bool) error {
	before := len(owned)
	for _, f := range files {
		owned[f.Path] = true
	}
	if len(owned) > before || h.inherits {
		list := strings.Join(slices.Sorted(maps.Keys(owned)), "\n") + "\n"
		manifest := &types.File{Path: h.origin.Manifest(), Content: list, Mode: defaultFileMode}
		files = append([]*types.File{manifest}, files...)
	}
	err := h.write(ctx, files)
	h.inherits = h.inherits && err != nil
	return err
}

// refuseLinks fails when a directory on the way to a file is a symbolic link: the file
// would be somewhere else than the repo says.
func (h *hostFiles) refuseLinks(ctx context.Context, paths []string) error {
	dirs := map[string]bool{}
	for _, p := range paths {
		for dir := path.Dir(p); dir != "/"; dir = path.Dir(dir) {
			dirs[dir] = true
		}
	}
	modes, err := h.look(ctx, sortedKeys(dirs))
	if err != nil {
		return err
	}
	for _, dir := range sortedKeys(modes) {
		if modes[dir]&os.ModeSymlink != 0 {
			return fmt.Errorf("%s is a symbolic link on the host: write the path that it leads to", dir)
		}
	}
	return nil
}
