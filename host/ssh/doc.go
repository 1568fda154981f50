// Package ssh reaches other machines over SSH, without the ssh binary.
//
// [Dial] logs in: the host key is verified against known_hosts, and asked for in
// the types that known_hosts has; keys of the config, of a file and of the agent are
// offered together. [Connect] keeps one connection to a host, through which its
// sockets are dialled.
//
// Everything obeys its context while it connects, whether the server or the agent is
// silent. A refused login or a host key that is not accepted is final and not tried
// again. A connection whose server stops to answer ends within half a minute, and
// with it all that was dialled through it.
//
// Not guaranteed: that a connection through the host obeys deadlines (its SetDeadline
// is an error: use contexts); that the connection comes back by itself once it is
// lost (the caller dials again); that an opening which the context ended is given up
// by the server at once too.
//
// Not here yet: jump hosts, ~/.ssh/config, certificates, keys with passphrases, logins
// by keyboard-interactive.
package ssh
