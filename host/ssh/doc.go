// Package ssh reaches other machines over SSH, without the ssh binary.
//
// A [Dialer] logs in with one set of [Options]. What a [Config] says goes first, then the
// user's ssh_config, then the defaults. The host key is verified: the one that is pinned,
// or one of known_hosts, asked for in the types that known_hosts has. Keys of files and of
// the agent are offered together, each before it as a certificate when it has one. Jump
// hosts are logged in to in the same way, each with its own key verified, and shared.
//
// A [Connection] is one login, through which the sockets of the host are dialled. It needs
// one place of sshd's MaxSessions at no time: a channel to a socket is no session. When it
// is lost, all that was dialled through it ends, and the next dial logs in again, once for
// all who wait for it.
//
// Everything obeys its context while it connects, whether the server or the agent is
// silent. A refused login or a host key that is not accepted is final and not tried
// again. A connection whose server stops to answer ends within half a minute, and
// with it all that was dialled through it.
//
// Not guaranteed: that a connection through the host obeys deadlines (its SetDeadline
// is an error: use contexts); that an opening which the context ended is given up
// by the server at once too.
//
// Not here: ProxyCommand and Match exec of ssh_config, since gitsync runs no commands to
// reach a host; logins by keyboard-interactive; keys on FIDO tokens outside of an agent.
package ssh
