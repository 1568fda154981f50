package runtimetest

import (
	"os"
	"path"
	"reflect"
	"testing"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
)

// hostMount is where the host's root directory is mounted.
const hostMount = "/mnt/host"

func (s *suite) helper(t *testing.T) string {
	id, _ := s.create(t, func(c *types.ContainerConfig) {
		c.Mounts = []types.Mount{{Source: "/", Target: hostMount}}
	})
	return id
}

func (s *suite) read(t *testing.T, id string, paths ...string) []types.File {
	t.Helper()
	files, err := s.rt.Read(testContext(t), id, paths)
	ok(t, "read", err)
	out := []types.File{}
	for _, f := range files {
		out = append(out, *f)
	}
	return out
}

func fileRoundTrip(t *testing.T, s *suite) {
	id, _ := s.create(t)
	text := types.File{Path: "/gs/text", Content: "hello\n", Mode: 0o640, User: "1000", Group: "1001"}
	binary := types.File{Path: "/gs/deep/er/binary", Content: "\x00\xff\xfe", Mode: 0o600, User: "0", Group: "0"}
	empty := types.File{Path: "/gs/empty", Mode: 0o444, User: "0", Group: "0"}
	ok(t, "copy", s.rt.Copy(testContext(t), id, []*types.File{&text, &binary, &empty, {Path: "/gs/dir/", Mode: 0o700}}))
	got := s.read(t, id, text.Path, "/gs/missing", binary.Path, empty.Path)
	if want := []types.File{text, binary, empty}; !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, want %+v", got, want)
	}
	modes, err := s.rt.Stat(testContext(t), id, []string{text.Path, "/gs/dir", "/gs/deep", "/gs/missing"})
	ok(t, "stat", err)
	want := map[string]os.FileMode{text.Path: 0o640, "/gs/dir": os.ModeDir | 0o700, "/gs/deep": os.ModeDir | 0o755}
	if !reflect.DeepEqual(modes, want) {
		t.Errorf("modes %v, want %v", modes, want)
	}
	text.Content, text.Mode = "changed", 0o600
	ok(t, "copy again", s.rt.Copy(testContext(t), id, []*types.File{&text}))
	if got := s.read(t, id, text.Path); !reflect.DeepEqual(got, []types.File{text}) {
		t.Errorf("read after a change: %+v, want %+v", got, text)
	}
	ok(t, "copy of nothing", s.rt.Copy(testContext(t), id, nil))
}

func hostFiles(t *testing.T, s *suite) {
	file := types.File{Path: path.Join(hostMount, s.TempDir, name("f"), "x.conf"), Content: "on the host", Mode: 0o644, User: "0", Group: "0"}
	ok(t, "copy", s.rt.Copy(testContext(t), s.helper(t), []*types.File{&file}))
	if got := s.read(t, s.helper(t), file.Path); !reflect.DeepEqual(got, []types.File{file}) {
		t.Errorf("another container reads %+v, want %+v", got, file)
	}
}

func existingParents(t *testing.T, s *suite) {
	id := s.helper(t)
	dir := path.Join(hostMount, s.TempDir, name("d"))
	ok(t, "make the directory", s.rt.Copy(testContext(t), id, []*types.File{{Path: dir + "/", Mode: 0o711}}))
	ok(t, "copy into it", s.rt.Copy(testContext(t), id, []*types.File{{Path: path.Join(dir, "f"), Mode: 0o600}}))
	modes, err := s.rt.Stat(testContext(t), id, []string{dir})
	ok(t, "stat", err)
	if got, want := modes[dir], os.ModeDir|0o711; got != want {
		t.Errorf("mode of the directory: %v, want %v", got, want)
	}
}

func accounts(t *testing.T, s *suite) {
	id, _ := s.create(t)
	named := types.File{Path: "/gs/named", Mode: 0o600, User: s.User, Group: s.User}
	ok(t, "copy", s.rt.Copy(testContext(t), id, []*types.File{&named}))
	got := s.read(t, id, named.Path)
	if len(got) != 1 || got[0].User != s.UID || got[0].Group != s.GID {
		t.Errorf("read %+v, want owner %s:%s", got, s.UID, s.GID)
	}
	err := s.rt.Copy(testContext(t), id, []*types.File{{Path: "/gs/a", Mode: 0o600}, {Path: "/gs/b", User: "no-such-user"}})
	wantErr(t, "copy with an unknown user", err, runtime.ErrInvalid)
	if got := s.read(t, id, "/gs/a", "/gs/b"); len(got) != 0 {
		t.Errorf("files were written: %+v", got)
	}
}

func notRegular(t *testing.T, s *suite) {
	id, _ := s.create(t)
	ok(t, "make a directory", s.rt.Copy(testContext(t), id, []*types.File{{Path: "/gs/dir/", Mode: 0o700}}))
	_, err := s.rt.Read(testContext(t), id, []string{"/gs/dir"})
	wantErr(t, "read a directory", err, runtime.ErrNotRegular)
}

func staged(t *testing.T, s *suite) {
	id := s.helper(t)
	dir := path.Join(hostMount, s.TempDir, name("staged"))
	staging := path.Join(dir, "staging")
	one := types.File{Path: path.Join(dir, "one"), Content: "first", Mode: 0o640, User: "1000", Group: "1001"}
	two := types.File{Path: path.Join(dir, "sub", "two"), Content: "second", Mode: 0o600, User: "0", Group: "0"}
	ok(t, "copy", s.rt.CopyStaged(testContext(t), id, staging, []*types.File{&one, &two}))
	one.Content, one.Mode = "changed", 0o644
	ok(t, "copy again", s.rt.CopyStaged(testContext(t), id, staging, []*types.File{&one}))
	rest := types.File{Path: staging, Mode: 0o600, User: "0", Group: "0"}
	if got, want := s.read(t, id, one.Path, two.Path, staging), []types.File{one, two, rest}; !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, want %+v", got, want)
	}
}
