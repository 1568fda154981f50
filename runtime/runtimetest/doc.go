// Package runtimetest holds what tests of and over runtimes share.
//
// [Run] is the conformance suite: the contract of runtime.Runtime and its optional
// powers, in executable form. Every implementation passes it. [Watched] is a
// decorator that counts calls, and fails or kills at a chosen one.
package runtimetest
