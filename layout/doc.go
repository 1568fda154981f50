// Package layout reads a tree of hosts/*/ and returns the desired state of every
// host, or all mistakes in it with file, line and column.
//
// # How it works
//
// [Loader.Load] lists hosts/, and loads each host by itself: YAML to nodes (the
// parser's work), variables to their values, the nodes of groups and host to one, with
// the place of each value kept; nodes to settings (tables of keys, one decode function each;
// mistakes are collected on the way), then the config files that the settings
// refer to, then what the containers of one host, and of hosts on one machine,
// want from each other. A host whose tree hash did not change is taken from
// memory. The format is described in repo-layout.md.
//
// # Guarantees
//
//   - A host with a mistake is in [Repo.Invalid], with all of its mistakes, and
//     never in [Repo.Hosts]. It affects no other host.
//   - An empty or vanished hosts/ is [ErrNoHosts], never an empty repo.
//   - Nothing outside a host's own directory and its groups' is read for it: no
//     absolute path, no "..", no symbolic link, no submodule, also not on the way.
//   - Any input ends in a result or an error, within the limits (Max…): no panic,
//     no file larger than its limit in memory, no alias expanded without bound.
//   - The same tree gives the same result. Nothing but the tree and the options
//     is looked at: no environment, no network, no clock.
//
// Not guaranteed: that an image, a network or a path exists, or that the engine
// takes the settings (a plan and a deploy find that out). Two hosts that reach
// one machine by different addresses are not seen to share it. An [os.DirFS] is
// read as it is at the moment, so files that change meanwhile may be seen half
// changed; a commit cannot change. When there are more than a thousand mistakes
// in a host, the rest is only counted.
package layout
