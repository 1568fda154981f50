// Package dockertest is what tests over a real Docker Engine share: whether there is
// one, a small image to run, and names that nobody else has.
//
// Everything is removed at the end of the test, by ID. A test is skipped where no
// engine answers, and fails where GITSYNC_REQUIRE_DOCKER is set.
package dockertest
