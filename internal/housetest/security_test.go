package housetest_test

import (
	"go/ast"
	"regexp"
	"strings"
	"testing"
)

var namedTest = regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9_]+)`")

// A threat that no test tries is a claim: each row of the table in SECURITY.md names the
// tests that do, and they are there.
func TestSecurityClaimsHaveTests(t *testing.T) {
	there := map[string]bool{}
	for _, file := range sourceFiles(t) {
		for _, decl := range file.ast.Decls {
			if function, ok := decl.(*ast.FuncDecl); ok && file.isTest() && function.Recv == nil {
				there[function.Name.Name] = true
			}
		}
	}
	rows := 0
	for line := range strings.Lines(document(t, "SECURITY.md")) {
		named := namedTest.FindAllStringSubmatch(line, -1)
		for _, match := range named {
			if !there[match[1]] {
				t.Errorf("SECURITY.md names %s, which is no test", match[1])
			}
		}
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| ---") || strings.HasPrefix(line, "| who |") {
			continue
		}
		rows++
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 4 {
			t.Errorf("SECURITY.md: a row has %d cells instead of 4: %s", len(cells), line)
		} else if !namedTest.MatchString(cells[3]) {
			t.Errorf("SECURITY.md: a row names no test: %s", line)
		}
	}
	if rows < 5 {
		t.Errorf("SECURITY.md has %d rows", rows)
	}
}
