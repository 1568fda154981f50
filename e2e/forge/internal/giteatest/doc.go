// Package giteatest starts a real Gitea for a test.
//
//	server := giteatest.Start(t)
//	repo := server.NewRepo(t)                     // alice/repo-1, empty
//	repo.Webhook(t, hookURL, "its secret")        // for pushes
//	hash := repo.Push(t, "main", map[string]string{"README.md": "hello"}, "say hello")
//	… post a status with server.NewToken(t, "write:repository") …
//	for _, status := range repo.Statuses(t, hash) { … } // newest first
//
// gitsync, the binary at [Gitsync], is pointed at it by
//
//	--repo repo.CloneURL() (with $GITSYNC_GIT_TOKEN=server.Token, --git-username server.User)
//	--forge gitea --forge-url server.URL --forge-repo repo.Name (with $GITSYNC_FORGE_TOKEN)
//
// The server listens on a free port of the loopback, keeps SQLite and all else in a
// directory of its own, and calls webhooks on the loopback only. It does not run as root:
// a test that does gives it the user ID of nobody. It ends with the test; when the test
// failed, the last lines of its log are in the test's.
//
// Its binary is what `make gitea` built, or $GITSYNC_GITEA. Without one the test is
// skipped, or fails where $GITSYNC_REQUIRE_FORGE is set.
package giteatest
