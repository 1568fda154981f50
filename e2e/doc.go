// Package e2e tests gitsync as its users meet it: the binary, a real Docker Engine,
// and real Git servers, over HTTP and SSH.
//
// testdata/<Test>/<step>/ is the tree of a commit. NAME, IMAGE1, IMAGE2, PORT1, PORT2
// and DIR stand for what each run has of its own. Checks look at what runs and at
// what the state branch holds, never at log text. What a run makes is removed at its
// end, by ID.
package e2e
