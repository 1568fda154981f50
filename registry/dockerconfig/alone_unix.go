//go:build unix

package dockerconfig

import (
	"os/exec"
	"syscall"
)

// alone puts the command into a process group of its own, all of which ends when it is
// cut off: helpers are often shell scripts that wait for something else.
func alone(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
