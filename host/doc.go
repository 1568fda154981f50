// Package host says how the runtime of a machine is reached.
//
// A [Host] is configuration: direct (this machine) or ssh. [Host.Connect] turns
// it into a [Connection], through which the runtime is dialled. host/direct and
// host/ssh are the two ways.
package host
