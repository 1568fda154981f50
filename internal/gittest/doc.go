// Package gittest makes real Git repos and serves them, for tests: by path, over
// HTTP and HTTPS (git http-backend), and over SSH (a real sshd).
//
// Only the git and sshd binaries are used, so that what is tested meets another
// implementation than its own. Everything lives in directories of the test and on
// loopback ports, and is gone when the test ends. The user's git configuration is
// not read.
//
// Where sshd is not installed a test is skipped, and fails where
// GITSYNC_REQUIRE_SSHD is set. git itself is always required.
//
// Not guaranteed: that a repo may be changed by two goroutines at once; that it
// runs on anything but Linux.
package gittest
