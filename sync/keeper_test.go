package sync

import (
	"os"
	"path/filepath"
	"testing"
)

func TestADamagedNameOfADataDirectoryNamesNoOther(t *testing.T) {
	names := map[string]string{}
	for what, content := range map[string][]byte{"empty": {}, "cut": []byte("ABCDEF"), "zeros": make([]byte, 26), "zeros of another": make([]byte, 26)} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, keeperFile), content, 0o600); err != nil {
			t.Fatal(err)
		}
		name, err := keeperOf(dir)
		if err != nil || names[name] != "" {
			t.Errorf("%s: named %s as %s, %v", what, name, names[name], err)
		}
		names[name] = what
		if again, err := keeperOf(dir); err != nil || again != name {
			t.Errorf("%s: named %s and then %s, %v", what, name, again, err)
		}
	}
}
