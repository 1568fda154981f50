package pin

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"

	"github.com/gitsync/gitsync/layout"
)

// file is a containers.yaml.
type file struct {
	// path is that in the repo, and owner the host's or the group's name.
	path, owner string
	data        []byte
	mode        fs.FileMode
	images      []Image
	// after is the edited content; nil when nothing changes.
	after []byte
}

const containersFile = "containers.yaml"

// readFiles reads the files of all hosts and groups, by their paths. The errors of all of
// them are in the error.
func readFiles(root *os.Root) ([]*file, error) {
	var files []*file
	var errs []error
	for _, kind := range []string{"hosts", "groups"} {
		entries, err := fs.ReadDir(root.FS(), kind)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", kind, err)
		}
		if err := checkType(root, kind, fs.ModeDir); err != nil {
			return nil, err
		}
		for _, e := range entries {
			f, err := readFile(root, kind, e)
			errs = append(errs, err)
			if f != nil {
				files = append(files, f)
			}
		}
	}
	if len(files) == 0 && errors.Join(errs...) == nil {
		errs = append(errs, errors.New("there is no containers.yaml in hosts/*/ or groups/*/ here"))
	}
	return files, errors.Join(errs...)
}

// readFile reads the file of a host or a group; nil when there is none.
func readFile(root *os.Root, kind string, e fs.DirEntry) (*file, error) {
	f := &file{path: path.Join(kind, e.Name(), containersFile), owner: e.Name()}
	if e.Type()&fs.ModeSymlink != 0 {
		return nil, fmt.Errorf("%s/%s: it is a symbolic link, which is never followed", kind, e.Name())
	}
	if !e.IsDir() {
		return nil, nil
	}
	err := checkType(root, f.path, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	in, err := root.Open(f.path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.path, err)
	}
	defer func() { _ = in.Close() }()
	info, err := in.Stat()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.path, err)
	}
	f.mode = info.Mode().Perm()
	if f.data, err = io.ReadAll(io.LimitReader(in, layout.MaxYAMLBytes+1)); err != nil {
		return nil, fmt.Errorf("%s: %w", f.path, err)
	}
	if len(f.data) > layout.MaxYAMLBytes {
		return nil, fmt.Errorf("%s: it has more than %d bytes", f.path, layout.MaxYAMLBytes)
	}
	if f.images, err = Find(f.data); err != nil {
		return nil, fmt.Errorf("%s: %w", f.path, err)
	}
	return f, nil
}

// checkType refuses what is not of a type; links above all.
func checkType(root *os.Root, name string, want fs.FileMode) error {
	info, err := root.Lstat(name)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	case info.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("%s: it is a symbolic link, which is never followed", name)
	case info.Mode().Type() != want:
		return fmt.Errorf("%s: it is no plain file or directory", name)
	}
	return nil
}

// writeFiles replaces the files that change, each in one step. When one cannot be written
// none is changed.
func writeFiles(root *os.Root, files []*file) (err error) {
	var changed []*file
	for _, f := range files {
		if f.after != nil {
			changed = append(changed, f)
		}
	}
	temps := make([]string, 0, len(changed))
	defer func() {
		for _, temp := range temps {
			if removeErr := root.Remove(temp); removeErr != nil && !errors.Is(removeErr, fs.ErrNotExist) {
				err = errors.Join(err, removeErr)
			}
		}
	}()
	var errs []error
	for _, f := range changed {
		// It begins with a dot, so nothing reads it if it stays behind.
		temp := path.Join(path.Dir(f.path), ".gitsync-pin-"+containersFile)
		temps = append(temps, temp)
		errs = append(errs, writeTemp(root, temp, f))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for i, f := range changed {
		if err := root.Rename(temps[i], f.path); err != nil {
			return errors.Join(fmt.Errorf("replace %s: %w", f.path, err), putBack(root, changed[:i]))
		}
	}
	return nil
}

func writeTemp(root *os.Root, temp string, f *file) error {
	// One that a killed gitsync left behind goes.
	if err := root.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write %s: %w", f.path, err)
	}
	out, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write %s: %w", f.path, err)
	}
	content := f.after
	_, err = out.Write(content)
	if err = errors.Join(err, out.Chmod(f.mode), out.Sync(), out.Close()); err != nil {
		return fmt.Errorf("write %s: %w", f.path, err)
	}
	return nil
}

// putBack gives files that were replaced their old content.
func putBack(root *os.Root, replaced []*file) error {
	var errs []error
	for _, f := range slices.Backward(replaced) {
		old := &file{path: f.path, mode: f.mode, after: f.data}
		errs = append(errs, writeFiles(root, []*file{old}))
	}
	return errors.Join(errs...)
}
