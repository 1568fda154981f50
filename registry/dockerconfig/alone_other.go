//go:build !unix

package dockerconfig

import "os/exec"

// alone does nothing where there are no process groups: then the command itself is
// killed, and its pipes are closed.
func alone(*exec.Cmd) {}
