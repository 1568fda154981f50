package dockertest

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Disk returns an empty directory on a disk of so many bytes, and of so many files where
// inodes is not 0. It is unmounted at the end of the test. Without mount and root the test
// is skipped, or fails where GITSYNC_REQUIRE_DOCKER is set.
func Disk(t testing.TB, bytes, inodes int64) string {
	t.Helper()
	if _, err := exec.LookPath("mount"); err != nil || os.Geteuid() != 0 {
		missing(t, "this test needs mount and root: %v", err)
	}
	dir := t.TempDir()
	options := fmt.Sprintf("mode=0700,size=%d", bytes)
	if inodes > 0 {
		options += fmt.Sprintf(",nr_inodes=%d", inodes)
	}
	mount(t, "-t", "tmpfs", "-o", options, "gitsync-test", dir)
	t.Cleanup(func() { run(t, "umount", "--lazy", dir) })
	return dir
}

// Remount changes the options of a [Disk]: "ro", "rw", "size=8388608".
func Remount(t testing.TB, dir string, options ...string) {
	t.Helper()
	mount(t, "-o", "remount,"+strings.Join(options, ","), dir)
}

func mount(t testing.TB, args ...string) {
	t.Helper()
	if output, err := exec.Command("mount", args...).CombinedOutput(); err != nil {
		t.Fatalf("mount %s: %v: %s", strings.Join(args, " "), err, output)
	}
}
