package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"

	"github.com/gitsync/gitsync/container"
)

// kinds are all kinds of changes that the library declares.
func kinds(t *testing.T) []container.Kind {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../container/plan.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []container.Kind
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if typ, ok := spec.Type.(*ast.Ident); ok && typ.Name == "Kind" {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			kinds = append(kinds, container.Kind(text))
		}
		return true
	})
	return kinds
}

func TestEveryKindOfChangeHasASignAndIsCounted(t *testing.T) {
	all := kinds(t)
	if len(all) < 17 {
		t.Fatalf("there are only %v", all)
	}
	for _, kind := range all {
		if signs[kind] == "" {
			t.Errorf("%s has no sign", kind)
		}
		ofItsOwn := slices.Contains([]container.Kind{container.Hold, container.Blocked, container.Suspended}, kind)
		if slices.Contains(counted, kind) == ofItsOwn {
			t.Errorf("%s is counted twice, or not at all", kind)
		}
	}
}
