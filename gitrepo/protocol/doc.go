// Package protocol is Git's wire protocol as far as a fetch needs it: versions 0, 1 and 2.
//
// It turns what a server says into values, and values into requests; how the bytes travel
// is the caller's business ([Reader] reads from any stream). A server says first who it is:
// a [Server], with its references where the version is below 2. [Server.ListRefs] is the
// request for references by their prefixes, which version 2 alone has, and [Server.Fetch]
// the one for objects, whose [Answer] holds the pack.
//
// Servers are not trusted: a packet is bounded by its own length of four digits, and what
// is kept of references by [MaxKept]. How many bytes are read in all, and for how long, is
// up to the stream.
//
// Not here: pushes, SHA-256, thin packs, bundles, dumb HTTP.
package protocol
