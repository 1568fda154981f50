package housetest_test

import (
	"go/ast"
	"path"
	"strings"
	"testing"
)

const (
	maxFileLines     = 500
	maxFunctionLines = 60
)

func TestFilesAndFunctionsStaySmall(t *testing.T) {
	for _, file := range sourceFiles(t) {
		if lines := file.line(file.ast.FileEnd); lines > maxFileLines+1 {
			t.Errorf("%s has %d lines, want at most %d: split it by subject", file.path, lines-1, maxFileLines)
		}
		for _, decl := range file.ast.Decls {
			function, ok := decl.(*ast.FuncDecl)
			if !ok || function.Body == nil {
				continue
			}
			// The lines between the braces, as funlen counts them.
			lines := file.line(function.Body.End()) - file.line(function.Pos()) - 1
			if lines > maxFunctionLines {
				t.Errorf("%s:%d: %s has %d lines, want at most %d",
					file.path, file.line(function.Pos()), function.Name.Name, lines, maxFunctionLines)
			}
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	files := map[string][]sourceFile{} // by package directory, tests left out
	for _, file := range sourceFiles(t) {
		if !file.isTest() {
			files[file.dir()] = append(files[file.dir()], file)
		}
	}
	for dir, inDir := range files {
		want := "doc.go"
		switch {
		case len(inDir) == 1:
			want = path.Base(inDir[0].path)
		case inDir[0].ast.Name.Name == "main":
			want = "main.go"
		}
		if !hasPackageComment(inDir, want) {
			t.Errorf("%s: no package comment in %s: its duty in one line, then what it guarantees and what not",
				dir, want)
		}
	}
}

func hasPackageComment(files []sourceFile, name string) bool {
	for _, file := range files {
		if path.Base(file.path) != name || file.ast.Doc == nil {
			continue
		}
		comment, prefix := file.ast.Doc.Text(), "Package "+file.ast.Name.Name+" "
		if file.ast.Name.Name == "main" {
			prefix = "Command "
		}
		return strings.HasPrefix(comment, prefix)
	}
	return false
}
