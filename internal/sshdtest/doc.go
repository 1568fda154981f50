// Package sshdtest runs a real sshd, and a real ssh-agent, on loopback for tests.
//
// Both end with the test. A test that needs sshd is skipped where there is none, and
// fails where GITSYNC_REQUIRE_SSHD is set.
package sshdtest
