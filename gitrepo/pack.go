package gitrepo

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/storage"
	"github.com/go-git/go-git/v5/storage/filesystem"

	"github.com/gitsync/gitsync/gitrepo/pack"
	"github.com/gitsync/gitsync/internal/disk"
)

// largeObject is how large a file may be that is read into memory as a whole when it is
// looked at; what is larger is read as a stream.
const largeObject = 1 << 20

// errPack means that a remote sent a pack that is none.
var errPack = pack.ErrBroken

// storePack puts a pack into a store. The pack is read by a package of ours and not by the
// library: that one holds objects in memory, applies deltas without bounds, and parses in a
// goroutine of its own, where a panic ends the process.
func storePack(ctx context.Context, into storage.Storer, from io.Reader) error {
	store, ok := into.(*filesystem.Storage)
	if !ok {
		return keepPack(ctx, into, from, pack.Commit, pack.Tree, pack.Blob, pack.Tag)
	}
	root := store.Filesystem().Root()
	work, err := pack.Unpack(ctx, filepath.Join(root, "objects", "pack"), from, pack.DefaultBudget())
	if isOnDisk(err) {
		// What goes wrong on the disk is not confused with what goes wrong where the pack
		// comes from.
		return disk.Explain(root, work.Packed, err)
	}
	if err != nil {
		return err
	}
	return disk.Explain(root, work.Packed, showPacks(store))
}

// isOnDisk says whether an error is of a file, or of two.
func isOnDisk(err error) bool {
	var file *fs.PathError
	var link *os.LinkError
	return errors.As(err, &file) || errors.As(err, &link)
}

// keepPack keeps objects of some kinds in memory. Without any pack there are none.
func keepPack(ctx context.Context, into storage.Storer, from io.Reader, kinds ...pack.Kind) error {
	objects, _, err := pack.Read(ctx, from, pack.DefaultBudget(), kinds...)
	if err != nil {
		return err
	}
	for i, o := range objects {
		objects[i] = pack.Object{} // it is copied, and may be large
		object := &plumbing.MemoryObject{}
		object.SetType(plumbing.ObjectType(o.Kind))
		if _, err := object.Write(o.Content); err != nil {
			return err
		}
		if _, err := into.SetEncodedObject(object); err != nil {
			return err
		}
	}
	return nil
}

// showPacks makes the library look for packs again: it does before it writes one itself.
// The one here stays empty, and is gone when it is closed.
func showPacks(into *filesystem.Storage) error {
	writer, err := into.PackfileWriter()
	if err != nil {
		return err
	}
	into.Reindex()
	return writer.Close()
}

// isEmptyPack says whether a remote had nothing to send.
func isEmptyPack(err error) bool { return errors.Is(err, pack.ErrEmpty) }
