// Package registrytest runs real registries for tests, on loopback, where an engine
// trusts them without TLS: open ones, and ones that want a login, by Basic or by a token.
// They remember all requests, so that a test sees what they were given.
package registrytest
