// Package gittest makes real Git repos and serves them, for tests: by path, and over
// HTTP and HTTPS (git http-backend). Over SSH, internal/sshdtest serves them.
//
// Only the git binary is used, so that what is tested meets another implementation
// than its own. Everything lives in directories of the test and on loopback ports,
// and is gone when the test ends. The user's git configuration is not read.
//
// Not guaranteed: that a repo may be changed by two goroutines at once; that it runs
// on anything but Linux.
package gittest
