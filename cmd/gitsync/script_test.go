package main

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/internal/registrytest"
	"github.com/gitsync/gitsync/runtime/memory"
)

var update = flag.Bool("update", false, "rewrite what the scripts expect")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"gitsync": func() { os.Exit(Main(os.Args[1:], os.Stdout, os.Stderr)) },
	})
}

// TestScripts runs the command as a user does. Each script is headed by what it
// locks.
func TestScripts(t *testing.T) {
	images := registrytest.Serve(t, registrytest.Options{Username: "ci", Password: "hunter2"})
	digest := images.Push(t, "team/app:1")
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"byhand": byHand, "steady": steady, "envsubst": envSubst},
		Setup: func(env *testscript.Env) error {
			// Commits have the same hashes in each run.
			env.Vars = append(env.Vars,
				"HOME="+env.WorkDir, "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
				"GIT_AUTHOR_NAME=tester", "GIT_AUTHOR_EMAIL=tester@example.com", "GIT_AUTHOR_DATE=2026-01-02T03:04:05Z",
				"GIT_COMMITTER_NAME=tester", "GIT_COMMITTER_EMAIL=tester@example.com", "GIT_COMMITTER_DATE=2026-01-02T03:04:05Z",
				"GITSYNC_RUNTIME=memory", "GITSYNC_DATA_DIR="+env.WorkDir+"/data", "GITSYNC_REPO="+env.WorkDir+"/infra", "TZ=UTC", "USER=kim",
				"REGISTRY="+images.Address, "DIGEST="+digest,
			)
			return nil
		},
	})
}

// byHand is a command of scripts, "byhand ACTION CONTAINER": what a person does to a
// container on a machine of the memory runtime.
func byHand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: byhand ACTION CONTAINER")
	}
	files, err := filepath.Glob(filepath.Join(ts.Getenv("GITSYNC_DATA_DIR"), "memory", "*.json"))
	ts.Check(err)
	for _, file := range files {
		config := &memory.Config{File: file}
		if _, err := config.New(); err != nil {
			ts.Fatalf("open %s: %v", file, err)
		}
		if _, there := config.World.Containers()[args[1]]; there {
			act(ts, config.World, args[0], args[1])
			return
		}
	}
	ts.Fatalf("there is no container %s", args[1])
}

func act(ts *testscript.TestScript, w *memory.World, action, name string) {
	switch action {
	case "rm":
		w.Remove(name)
	case "stop":
		w.SetStatus(name, types.StatusExited)
	case "pause":
		w.SetStatus(name, types.StatusPaused)
	case "memory":
		w.Change(name, func(c *types.ContainerConfig) { c.Memory = 1 << 30 })
	case "env":
		w.MakeAnew(name, func(c *types.ContainerConfig) { c.Env["TOKEN"] = "0pen" })
	case "files":
		w.WriteHostFile("/srv/"+name+".conf", "0pen\n")
	default:
		ts.Fatalf("byhand %s: there is no such action", action)
	}
}

// told are the parts of an output that are other ones each time.
var told = regexp.MustCompile(`\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?( UTC|Z)?`)

// steady is a command of scripts, "steady stdout FILE": it writes the output to the file,
// with TIME for any time and HERE for this machine's name.
func steady(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: steady stdout FILE")
	}
	machine, err := os.Hostname()
	ts.Check(err)
	text := told.ReplaceAllString(strings.ReplaceAll(ts.ReadFile(args[0]), "@"+machine, "@HERE"), "TIME")
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o644))
}

// envSubst is a command of scripts, "envsubst FILE": it replaces variables in the file.
func envSubst(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: envsubst FILE")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(os.Expand(ts.ReadFile(args[0]), ts.Getenv)), 0o644))
}
