// Package unlock opens secrets: SOPS files, age files, and those that the agent's own
// configuration names. It is the only package that imports SOPS, and besides the runtimes
// the only one that sees clear text from the repo.
//
//  1. [Opener.Open] decrypts the files that hold the names that are asked for, each once
//     a call, in memory. Nothing is written to a disk.
//  2. Every value goes to the redactor before it goes to the caller.
//  3. Which kinds of keys a SOPS file may ask for is the agent's decision: a file in the
//     repo names the address of a Vault, or the role of a cloud account, and SOPS would
//     send the agent's own credentials there.
//
// It is safe for concurrent use. SOPS' calls to the services of clouds cannot be
// cancelled: they end by their own time-outs.
package unlock
