// Package demo is the tour that gitsync demo gives: a repo, a deployment, a change,
// a container broken by hand, and its repair, or none while it is suspended, all on this
// machine.
//
// It runs the commands that a user would type, the git binary and gitsync itself,
// and shows each before its output. What it makes has names of its own and is
// removed at the end, unless it is asked to keep it. It needs no network: its
// containers run an image made of the gitsync binary ([Serve]), in the place of the
// one that examples/repo names.
package demo
