// Package runtime says what gitsync needs of the thing that runs containers.
//
// [Runtime] is the core that every implementation has. More powers (listing,
// renaming, pulling, …) are interfaces of one or two methods; who needs one asks
// for it by a type assertion. The implementations are runtime/docker and
// runtime/memory; both pass the suite in runtime/runtimetest, which is the
// contract in executable form.
//
// Every method takes a context, returns soon after it is done, and wraps one of
// the sentinel errors of this package where a caller can decide on it. A
// runtime is safe for concurrent use.
package runtime
