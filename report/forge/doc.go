// Package forge tells a Git forge about commits: GitHub, GitLab, Gitea and Forgejo,
// Bitbucket Cloud.
//
//	config, err := forge.Config{}.For("git@github.com:acme/infra.git")
//	config.Token = "…"
//	client, err := forge.New(config)
//	defer client.Close()
//	err = client.Status(ctx, forge.Status{
//		Commit: hash, Context: "gitsync/deploy", State: forge.Success, Description: "14 hosts",
//	})
//
// # How it works
//
//  1. What the forge shows for the commit and the context is asked for first. When it says
//     the same already, nothing is posted: a client that starts anew, or that was told the
//     same twice, adds nothing. So a status that was posted and whose answer got lost is
//     not posted a second time. Where the token may post and not look, it is posted.
//  2. A status is put into the forge's words: its names of the states, its limits of
//     length. [Client.Status] compares what would be shown, not what was asked for.
//  3. Deployments go the same way: the newest record of the environment is asked for, and
//     carried on when it is for the same commit.
//
// # Guarantees
//
// Each call makes a bounded number of requests, each of at most [Config].Timeout, and reads
// a bounded answer. The token goes to the forge's own address only: a redirect to another
// host or scheme is an error, so is one that would turn a POST into a GET. No error holds
// the token or the App's key.
//
// An error says what to do, and how to react is told by its class: [RateLimited] (again,
// not before a time), [ErrAuth] (a person must act), [ErrRefused] and [ErrUnsupported]
// (again is pointless), and all others (again, later).
//
// # What is not guaranteed
//
// Nothing is tried again here and nothing is queued: who calls does that, in order. Between
// the look and the post somebody else may post to the same context: one context belongs to
// one writer.
package forge
