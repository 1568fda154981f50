package housetest_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

const (
	modulePath = "github.com/gitsync/gitsync"
	root       = "../.."
)

// sourceFile is one Go file of the module, parsed with its comments.
type sourceFile struct {
	path string // from the module's root, with slashes
	fset *token.FileSet
	ast  *ast.File
}

func (f sourceFile) dir() string  { return path.Dir(f.path) }
func (f sourceFile) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

// line is the line that pos is on.
func (f sourceFile) line(pos token.Pos) int { return f.fset.Position(pos).Line }

// sourceFiles are all Go files of this module, in order of their paths. Other
// modules (tools) and testdata are left out, as the go command does.
func sourceFiles(t *testing.T) []sourceFile {
	t.Helper()
	var files []sourceFile
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && name != root && foreign(name, entry.Name()) {
			return filepath.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		if !ast.IsGenerated(parsed) {
			files = append(files, sourceFile{path: filepath.ToSlash(rel), fset: fset, ast: parsed})
		}
		return nil
	})
	if err != nil {
		t.Fatalf("read the module's source: %v", err)
	}
	if len(files) == 0 {
		t.Fatal("the module has no Go files: root is wrong")
	}
	return files
}

// foreign tells whether a directory is none of this module's packages.
func foreign(dir, base string) bool {
	if base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return true
	}
	other, err := filepath.Glob(filepath.Join(dir, "go.mod"))
	return err != nil || len(other) > 0
}
