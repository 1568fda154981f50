// Package secret knows what a secret is: how a value refers to one, what an encrypted
// file of the repo holds, and how a clear value is kept out of everything that is shown
// or written.
//
//  1. A value refers to a secret as ${secret.name}; $${secret. stands for the text itself
//     ([Names], [Expand]).
//  2. [Sealed] are the secrets of a host as the repo has them: names and ciphertext. No
//     key is needed to read it, so that a repo is validated, and planned, without any.
//  3. [External] are the secrets that the agent's own configuration names, and that come
//     from the environment, a file or a command.
//  4. A [Redactor] remembers the values that were opened, and replaces them, and the
//     forms in which programs quote them, in any text.
//
// This package opens nothing: secret/unlock does, which brings SOPS with it.
//
// What is not guaranteed: a program that is given a secret can print it in a form that no
// redactor knows (reversed, encrypted, a character a line).
package secret
