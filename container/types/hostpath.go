package types

import (
	"path"
	"strings"
)

// HostPath returns an absolute path of a host in the one form in which paths are compared:
// clean, and with /var/run as /run, which it is a link to everywhere.
func HostPath(p string) string {
	p = path.Clean(p)
	if rest, ok := strings.CutPrefix(p, "/var/run"); ok && (rest == "" || rest[0] == '/') {
		return "/run" + rest
	}
	return p
}

// Below says whether a path of a host is strictly below a directory. Both are as [HostPath]
// returns them.
func Below(p, dir string) bool {
	return p != dir && (dir == "/" || strings.HasPrefix(p, dir+"/"))
}
