package memory_test

import (
	"path/filepath"
	"testing"

	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/memory"
	"github.com/gitsync/gitsync/runtime/runtimetest"
)

func open(t *testing.T, config *memory.Config) runtimetest.Full {
	t.Helper()
	rt, err := config.New()
	if err != nil {
		t.Fatal(err)
	}
	return rt.(runtimetest.Full)
}

func TestConformance(t *testing.T) {
	const missing = "example.com/no/such:image"
	for name, config := range map[string]func(t *testing.T) *memory.Config{
		"in memory": func(*testing.T) *memory.Config { return &memory.Config{World: &memory.World{}} },
		"in a file": func(t *testing.T) *memory.Config {
			return &memory.Config{File: filepath.Join(t.TempDir(), "sub", "world.json")}
		},
	} {
		t.Run(name, func(t *testing.T) {
			runtimetest.Run(t, func(t *testing.T) runtimetest.Full {
				c := config(t)
				rt := open(t, c)
				if err := rt.Pull(t.Context(), "nginx:1.27", runtime.PullOptions{}); err != nil {
					t.Fatal(err)
				}
				c.World.MissingImage(missing)
				c.World.Behave("ends:3", memory.Behaviour{Ends: true, ExitCode: 3, Logs: "the end\n"})
				return rt
			}, runtimetest.Options{
				Image: "nginx:1.27", EndingImage: "ends:3", MissingImage: missing, TempDir: "/tmp/memory-test", User: "app", UID: "1234", GID: "1234",
			})
		})
	}
}

func TestAWorldInAFileOutlivesTheProcess(t *testing.T) {
	file := filepath.Join(t.TempDir(), "world.json")
	first := open(t, &memory.Config{File: file})
	id, err := first.Create(t.Context(), containerConfig("web"))
	if err != nil {
		t.Fatal(err)
	}
	row, err := open(t, &memory.Config{File: file}).Find(t.Context(), "web")
	if err != nil || row.ID != id {
		t.Errorf("found %+v, %v, want %s", row, err, id)
	}
}
