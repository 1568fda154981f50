package layout_test

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/gitsync/gitsync/layout"
)

var update = flag.Bool("update", false, "rewrite testdata/*/want")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestMistakes compares all mistakes of each testdata/<case>/hosts with the lines
// of testdata/<case>/want, which also names the valid hosts.
func TestMistakes(t *testing.T) {
	cases, err := filepath.Glob("testdata/*/hosts")
	if err != nil || len(cases) == 0 {
		t.Fatalf("find the cases: %v", err)
	}
	for _, hosts := range cases {
		dir := filepath.Dir(hosts)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			repo, err := layout.NewLoader().Load(context.Background(), os.DirFS(dir), layout.Options{ExternalSecrets: someSecrets})
			if err != nil {
				t.Fatal(err)
			}
			var valid []string
			for _, h := range repo.Hosts {
				valid = append(valid, h.Name)
			}
			got := repo.Mistakes().Error() + "\nvalid: " + strings.Join(valid, " ") + "\n"
			want := filepath.Join(dir, "want")
			if *update {
				if err := os.WriteFile(want, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			content, err := os.ReadFile(want)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(got, "\n"), strings.Split(string(content), "\n")); diff != "" {
				t.Errorf("mistakes differ (-got +want), run with -update to accept them:\n%s", diff)
			}
			if strings.Contains(got, "hunter") {
				t.Error("a secret is in the mistakes")
			}
		})
	}
}
