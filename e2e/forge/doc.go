// Package forge tests what gitsync tells forges: against a real Gitea, and against the
// requests and answers of the forges' own client libraries.
//
// It is a module of its own, so that Gitea and those libraries do not enter the product's
// go.mod. `make test-forge` builds Gitea, once for each version, and runs the tests. The
// server is in internal/giteatest.
package forge
