// Package ssh reaches other machines over SSH, without the ssh binary.
//
// [Dial] logs in: the host key is verified against known_hosts, and asked for in
// the types that known_hosts has; keys of a file and of the agent are offered
// together. [Connect] keeps one connection to a host, through which its sockets are
// dialled.
//
// Everything obeys its context, also while it connects. A refused login or a host
// key that is not accepted is final and not tried again.
//
// Not here yet: jump hosts, ~/.ssh/config, certificates, keys with passphrases.
package ssh
