// Command gitsync deploys containers to plain Docker hosts from a Git repo.
//
// Each subcommand is in a file of its own name: run, apply, retry, plan, validate, status,
// history, init, demo, version. settings.go reads flags, environment and config
// file; terminal.go owns how we speak to people.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	// Time zones of --schedule are known on machines without a tz database too.
	_ "time/tzdata"

	"github.com/gitsync/gitsync/secret"
)

// version is stamped by the Makefile.
var version = "dev"

func main() {
	os.Exit(Main(os.Args[1:], os.Stdout, os.Stderr))
}

// Main runs the command and returns its exit code. The first SIGINT or SIGTERM
// cancels the context, so that the step in hand is finished; the second one ends
// the process as if it had not been caught.
func Main(args []string, stdout, stderr *os.File) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	s := &settings{redactor: &secret.Redactor{}}
	root := newRootCommand(stdout, stderr, s)
	root.SetArgs(args)
	defer s.flush()
	err := root.ExecuteContext(ctx)
	return exitCode(err, s.terminal(stderr))
}
