// Package examples holds a repo that can be deployed as it stands: what
// `gitsync init` writes and `gitsync demo` shows.
package examples

import (
	"embed"
	"io/fs"
)

// Image is the only image that the repo uses, so that a demo without a registry
// can replace it by a plain substitution in the files.
const Image = "traefik/whoami:v1.10.3"

//go:embed all:repo
var repo embed.FS

// Repo returns the files of the repo, with README.md and hosts/ at the root. It
// is read-only, and safe for concurrent use.
func Repo() fs.FS {
	sub, err := fs.Sub(repo, "repo")
	if err != nil {
		panic("examples: the embedded directory is there: " + err.Error())
	}
	return sub
}
