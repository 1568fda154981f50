// Package resource makes a [types.Resource] of a set of containers. It is a
// package of its own so that container/types need not import container.
package resource
