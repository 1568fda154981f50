// Package policy says what the repo may ask of a host, by the word of whoever runs
// gitsync: whoever can push must not become root on every host.
//
// # How it works
//
// A [Policy] is the default profile ([Default]) with what a file of the operator's adds
// and overrides ([Parse]): entries that allow or deny values of containers' settings, by
// host. [Policy.Check] takes the containers of a host apart into such values (topics.go
// has all of them), asks for each which entry decides, and returns what is denied, with
// what to write to allow just that.
//
// # Guarantees
//
//   - Nothing is read but the arguments: no file, no environment, and never the repo.
//   - Every field of a container is either judged or known to be harmless: a test fails
//     when a field is added that nobody has thought about.
//   - A path is compared as the kernel would read it without links: cleaned, and with
//     /var/run as /run.
//   - All violations, and all mistakes in a policy file, are found at once.
//
// Not guaranteed: what a symbolic link on the host leads to. A host's paths are compared as
// names, since the host is not asked. What an image does inside of its container is not
// looked at either.
package policy
