// Package gitrepo is all that gitsync knows of Git.
//
// A [Remote] is a repo somewhere: a local path, http(s) or SSH. [Remote.Refs] asks for some
// branches in one request, which is all that an idle poll costs. A [Store]
// holds the objects of one branch, bare and shallow, without a work tree:
// [Store.Fetch] brings a tip in, at depth 1 the first time and incrementally after
// that. Whenever an object is missing, the store is damaged, the branch was rewound
// or too many packs have gathered, it begins anew by itself.
//
// A [Tree] is the content of a commit as an fs.FS, read from the object store. No
// file is ever checked out, so no symbolic link and no path in the repo can reach
// the disk.
//
// [Store.Commit] and [Store.Push] write a branch with compare-and-swap: a push
// succeeds only when the branch is still where the commit began. Nothing is forced.
//
// Limits: SHA-1 repos only. Local paths need the git binary. A server that does not know
// protocol version 2 sends all its references.
package gitrepo
