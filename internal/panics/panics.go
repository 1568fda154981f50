// Package panics makes a panic in a part of the work an error of that part: one host's
// trouble, or one server's answer, must not end the process that serves all others.
//
// It cannot catch what Go does not let anybody catch: a panic in a goroutine of a
// library's, a stack that overflows, memory that ends. What could lead there is bounded
// where it comes in.
package panics

import (
	"fmt"
	"runtime/debug"
)

// Error is a panic.
type Error struct {
	// Value is what the panic was called with, and Stack where it happened.
	Value any
	Stack []byte
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("panic: %v: this is a mistake in gitsync: please report it, with the stack in the log", e.Value)
}

// Unwrap returns the value, where it is an error.
func (e *Error) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Catch does some work. A panic in it is the error [*Error].
func Catch(work func() error) (err error) {
	defer Into(&err)
	return work()
}

// Into makes a panic an error, for use with defer.
func Into(err *error) {
	if value := recover(); value != nil {
		*err = &Error{Value: value, Stack: debug.Stack()}
	}
}
