package disk_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/gitsync/gitsync/internal/disk"
)

func TestEachFaultOfADiskSaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	for errno, says := range map[syscall.Errno]string{
		syscall.ENOSPC: "is full: at least 6MiB are needed",
		syscall.EROFS:  "is read-only",
		syscall.EDQUOT: "quota",
		syscall.EACCES: "may not write",
		syscall.EPERM:  "may not write",
		syscall.EIO:    "dmesg",
	} {
		err := disk.Explain(dir, 6<<20, fmt.Errorf("write the pack: %w", &fs.PathError{Op: "write", Path: dir + "/x", Err: errno}))
		if !errors.Is(err, disk.ErrUnwritable) || !errors.Is(err, errno) || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%v: %v, want %q and %s", errno, err, says, dir)
		}
		if again := disk.Explain("/elsewhere", 1, err); !same(again, err) {
			t.Errorf("explained twice: %v", again)
		}
	}
}

func TestAFullDiskSaysWhatIsFree(t *testing.T) {
	full := disk.Error{Dir: "/data", Needed: 6 << 20, Room: disk.Room{Known: true, Bytes: 3 << 20, Inodes: 10}, Err: syscall.ENOSPC}
	if want := "the disk of /data is full: at least 6MiB are needed, 3MiB are free: make room there, or give a larger directory with --data-dir"; full.Error() != want {
		t.Errorf("%q, want %q", full.Error(), want)
	}
	full.Room.Inodes = 0
	if !strings.Contains(full.Error(), "no inodes left") {
		t.Errorf("%q does not say that inodes are missing", full.Error())
	}
}

func TestWhatIsNoFaultOfADiskStaysAsItIs(t *testing.T) {
	for _, err := range []error{nil, errors.New("other"), syscall.ECONNRESET, fs.ErrNotExist} {
		if got := disk.Explain("/data", 1, err); !same(got, err) {
			t.Errorf("%v became %v", err, got)
		}
	}
	if disk.Free("/does/not/exist").Known {
		t.Error("room is known of a directory that does not exist")
	}
	if room := disk.Free(t.TempDir()); !room.Known || room.Bytes <= 0 {
		t.Errorf("room of a directory: %+v", room)
	}
}

// same says whether it is the very error, with nothing around it.
func same(a, b error) bool { return any(a) == any(b) }
