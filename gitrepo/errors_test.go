package gitrepo

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"testing"
)

// What the operating system says of a file looks like what it says of a connection.
func TestAnErrorOfAFileIsNoneOfTheNetwork(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"a file":       {&fs.PathError{Op: "open", Path: "/data/git", Err: syscall.EMFILE}, false},
		"two files":    {&os.LinkError{Op: "rename", Old: "/data/a", New: "/data/b", Err: syscall.ENOENT}, false},
		"a connection": {&net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := isNetwork(fmt.Errorf("fetch: %w", c.err)); got != c.want {
				t.Errorf("got %t", got)
			}
		})
	}
}
