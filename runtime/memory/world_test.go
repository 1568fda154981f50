package memory_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func containerConfig(name string) *types.ContainerConfig {
	return &types.ContainerConfig{Name: name, Image: "nginx:1.27"}
}

func TestADamagedFileIsExplained(t *testing.T) {
	file := filepath.Join(t.TempDir(), "world.json")
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := open(t, &memory.Config{File: file}).List(t.Context(), nil)
	if err == nil || !strings.Contains(err.Error(), file+" is damaged, remove it") {
		t.Errorf("list: %v, want an error that says what to do", err)
	}
}

func TestRuntimesOfOneConfigShareAWorld(t *testing.T) {
	config := &memory.Config{}
	if _, err := open(t, config).Create(t.Context(), containerConfig("web")); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, config).Find(t.Context(), "web"); err != nil {
		t.Errorf("find: %v", err)
	}
}
