package housetest_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestReadmeBeginsWithTheTwoCommands(t *testing.T) {
	lines := strings.SplitAfter(document(t, "README.md"), "\n")
	screen := strings.Join(lines[:min(60, len(lines))], "")
	for _, command := range []string{"make demo", "make test"} {
		if !strings.Contains(screen, command) {
			t.Errorf("README.md does not name %q in its first 60 lines", command)
		}
	}
}

func TestContributingPlacesEveryPackage(t *testing.T) {
	text := document(t, "CONTRIBUTING.md")
	for name := range mayImport {
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("CONTRIBUTING.md: the package map lacks `%s`", name)
		}
	}
}

func TestEveryDependencyHasAReason(t *testing.T) {
	required, described := directRequirements(t), dependencyRows(t)
	for _, module := range required {
		if !slices.Contains(described, module) {
			t.Errorf("docs/dependencies.md has no row for %s: write why we need it and how healthy it is", module)
		}
	}
	for _, module := range described {
		if !slices.Contains(required, module) {
			t.Errorf("docs/dependencies.md has a row for %s, which go.mod does not require", module)
		}
	}
}

func document(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// directRequirements are the modules that go.mod requires for code of ours.
func directRequirements(t *testing.T) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json")
	cmd.Dir = root
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("read go.mod: %v", err)
	}
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	if err := json.Unmarshal(output, &mod); err != nil {
		t.Fatalf("read go.mod: %v", err)
	}
	var modules []string
	for _, require := range mod.Require {
		if !require.Indirect {
			modules = append(modules, require.Path)
		}
	}
	return modules
}

// dependencyRows are the modules of the table in docs/dependencies.md whose row has
// no empty cell: "| `module` | why | health |".
func dependencyRows(t *testing.T) []string {
	t.Helper()
	var modules []string
	for line := range strings.Lines(document(t, "docs/dependencies.md")) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if !slices.Contains(cells, "") {
			modules = append(modules, strings.Trim(cells[0], "`"))
		}
	}
	return modules
}
