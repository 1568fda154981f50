// Package follow reads files again that an option names, when they change.
//
// A [File] is read when it is opened, and again by [File.Current] when its identity (inode,
// size, time of change) is another one than before, so that whoever rotates a token or a
// key need not restart gitsync. A file that vanishes, is empty or does not parse in between
// changes nothing: what it held last counts on, the log says so once, and each later call
// tries again. What is no regular file (a pipe of the shell, a device) is read once.
//
// Not for what must fail closed: who may sign commits is read for each commit, without a
// last good content.
//
// It imports nothing of gitsync.
package follow
