package gittest

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Repo is a bare repo in a directory of the test. Its methods end the test when git
// fails.
type Repo struct {
	// Dir is the absolute path of the repo.
	Dir string

	t testing.TB
	// commits gives each commit another time, so that no two are the same.
	commits int
}

// NewRepo makes an empty repo. Its HEAD is the branch main.
func NewRepo(t testing.TB) *Repo {
	t.Helper()
	r := &Repo{Dir: filepath.Join(t.TempDir(), "infra.git"), t: t}
	if _, err := run(t.Context(), "", nil, "init", "--quiet", "--bare", "--initial-branch=main", r.Dir); err != nil {
		t.Fatal(err)
	}
	r.git(nil, "config", "http.receivepack", "true")
	r.git(nil, "config", "uploadpack.allowFilter", "true")
	// A repack in the background would outlive the test's directory.
	r.git(nil, "config", "receive.autogc", "false")
	return r
}

// Commit adds files to a branch, or replaces them, and returns the hash of the new
// commit. The branch is made when it is not there.
func (r *Repo) Commit(branch string, files map[string]string, message string) string {
	r.t.Helper()
	var changes strings.Builder
	for _, path := range slices.Sorted(maps.Keys(files)) {
		change(&changes, "100644", path, files[path])
	}
	return r.commit(branch, message, changes.String())
}

// Replace makes these files all that is below a directory, as renaming what is in it does.
func (r *Repo) Replace(branch, dir string, files map[string]string, message string) string {
	r.t.Helper()
	var changes strings.Builder
	fmt.Fprintf(&changes, "D %s\n", dir)
	for _, path := range slices.Sorted(maps.Keys(files)) {
		change(&changes, "100644", path, files[path])
	}
	return r.commit(branch, message, changes.String())
}

// Remove removes files or whole directories from a branch.
func (r *Repo) Remove(branch string, paths ...string) string {
	r.t.Helper()
	var changes strings.Builder
	for _, path := range paths {
		fmt.Fprintf(&changes, "D %s\n", path)
	}
	return r.commit(branch, "Remove "+strings.Join(paths, ", "), changes.String())
}

// Executable adds a file that may be executed.
func (r *Repo) Executable(branch, path, content string) string {
	r.t.Helper()
	var changes strings.Builder
	change(&changes, "100755", path, content)
	return r.commit(branch, "Add the program "+path, changes.String())
}

// Symlink adds a symbolic link.
func (r *Repo) Symlink(branch, path, target string) string {
	r.t.Helper()
	var changes strings.Builder
	change(&changes, "120000", path, target)
	return r.commit(branch, "Link "+path, changes.String())
}

// Submodule adds a submodule: an entry that names a commit of another repo.
func (r *Repo) Submodule(branch, path, commit string) string {
	r.t.Helper()
	return r.commit(branch, "Add the submodule "+path, fmt.Sprintf("M 160000 %s %s\n", commit, path))
}

// Hash returns the commit that a branch points at, or "" when there is none.
func (r *Repo) Hash(branch string) string {
	r.t.Helper()
	ref := "refs/heads/" + branch
	// The pattern also finds what is below the branch's name.
	for line := range strings.Lines(r.git(nil, "for-each-ref", "--format=%(refname) %(objectname)", ref)) {
		if hash, ok := strings.CutPrefix(line, ref+" "); ok {
			return strings.TrimSpace(hash)
		}
	}
	return ""
}

// ResetBranch makes a branch point at a commit, as a forced push does.
func (r *Repo) ResetBranch(branch, hash string) {
	r.t.Helper()
	r.git(nil, "update-ref", "refs/heads/"+branch, hash)
}

// References adds many references of pull requests to a commit, as a forge has them.
func (r *Repo) References(count int, hash string) {
	r.t.Helper()
	r.git(nil, "pack-refs", "--all")
	name := filepath.Join(r.Dir, "packed-refs")
	packed, err := os.ReadFile(name)
	if err != nil {
		r.t.Fatal(err)
	}
	var out strings.Builder
	// Without the first line, which says that they are sorted.
	_, rest, _ := strings.Cut(string(packed), "\n")
	out.WriteString(rest)
	for i := range count {
		fmt.Fprintf(&out, "%s refs/pull/%d/head\n", hash, i)
	}
	if err := os.WriteFile(name, []byte(out.String()), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// Merge merges one branch into another one, whose files stay as they are but for those given.
func (r *Repo) Merge(into, other string, files map[string]string) string {
	r.t.Helper()
	var in strings.Builder
	r.header(&in, into, "Merge "+other)
	fmt.Fprintf(&in, "from refs/heads/%s^0\nmerge refs/heads/%s^0\n", into, other)
	for _, path := range slices.Sorted(maps.Keys(files)) {
		change(&in, "100644", path, files[path])
	}
	r.fastImport(in.String())
	return r.Hash(into)
}

// DeleteBranch removes a branch. Its objects stay.
func (r *Repo) DeleteBranch(branch string) {
	r.t.Helper()
	r.git(nil, "update-ref", "-d", "refs/heads/"+branch)
}

// Log returns the subjects of a branch's commits, the newest first, or nil when the
// branch is not there.
func (r *Repo) Log(branch string) []string {
	r.t.Helper()
	if r.Hash(branch) == "" {
		return nil
	}
	return strings.Split(r.git(nil, "log", "--format=%s", "refs/heads/"+branch, "--"), "\n")
}

// Show returns the content of a file at a commit or branch.
func (r *Repo) Show(ref, path string) string {
	r.t.Helper()
	out, err := run(r.t.Context(), r.Dir, nil, "cat-file", "blob", ref+":"+path)
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// Tree returns the paths of all entries at a commit or branch but directories, in
// order.
func (r *Repo) Tree(ref string) []string {
	r.t.Helper()
	out := r.git(nil, "ls-tree", "-r", "--name-only", ref)
	if out == "" {
		return nil
	}
	return strings.Split(out, "\n")
}

// Git runs a git command in the repo and returns what it prints, without the last
// line's end.
func (r *Repo) Git(args ...string) string {
	r.t.Helper()
	return r.git(nil, args...)
}

// RefusePushes makes the repo refuse all pushes, with a message; an empty one ends
// that.
func (r *Repo) RefusePushes(message string) {
	r.t.Helper()
	r.hook("pre-receive", "echo "+quote(message)+" >&2\nexit 1\n", message == "")
}

// RefuseBranch makes the repo refuse pushes to one branch, as a forge with a
// protected branch does, with a message; an empty one ends that.
func (r *Repo) RefuseBranch(branch, message string) {
	r.t.Helper()
	r.hook("update", "[ \"$1\" = "+quote("refs/heads/"+branch)+" ] || exit 0\necho "+quote(message)+" >&2\nexit 1\n", message == "")
}

func (r *Repo) hook(name, script string, remove bool) {
	r.t.Helper()
	path := filepath.Join(r.Dir, "hooks", name)
	var err error
	if remove {
		err = os.RemoveAll(path)
	} else {
		err = os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o700)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// git runs a command in the repo, and ends the test when it fails.
func (r *Repo) git(stdin []byte, args ...string) string {
	r.t.Helper()
	out, err := run(context.WithoutCancel(r.t.Context()), r.Dir, stdin, args...)
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.TrimSuffix(out, "\n")
}

func quote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
