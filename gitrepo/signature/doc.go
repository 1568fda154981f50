// Package signature says whether bytes were signed by somebody who may.
//
// [Rules] hold the keys that may sign: SSH keys in a file of allowed signers, as
// ssh-keygen and git know it ([ParseSigners]), and OpenPGP keys ([ParseKeyRing]); and
// those that may not any more ([ParseRevoked]). [Rules.Verify] checks one signature.
//
// A signature counts when it is right, its key is listed and not revoked, and the key was
// valid at the time that the commit says it was made, and is valid now. The first time is
// the signer's own word: whoever has an expired key can backdate a commit. So an expired
// key signs nothing new; only what was accepted before it expired stays accepted
// ([Claim.Known]).
//
// What is not understood is refused: unknown options, certificates, RSA keys below 2048
// bits, DSA, SHA-1. Nothing here reads the clock, the network or Git.
package signature
