// Package docker runs containers on a Docker Engine, 20.10 or later, or on what
// speaks its API. It is the only package that knows Docker's client library.
//
// The API's version is negotiated with the first call. Files go in and out through
// the archive API, which works on containers that were never started, so that a
// container with the host's root directory mounted is a way to the host's files.
//
// Not guaranteed: that a symbolic link in the middle of a path leads where it would
// on the host, since the engine resolves it in the container.
package docker
