package yamlout_test

import (
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/gitsync/gitsync/internal/yamlout"
)

func TestEveryCharacterComesBack(t *testing.T) {
	for r := rune(0); r <= 0x10ffff; r++ {
		if r >= 0xd800 && r <= 0xdfff || r > 0x3000 && r < 0xfe00 || r > 0x10000 && r < 0x10fff0 {
			continue // no characters, or like their neighbours
		}
		want := map[string]string{"a": "x" + string(r) + "y", "b" + string(r): string(r)}
		data, err := yamlout.Marshal(want)
		if err != nil {
			t.Errorf("%U: %v", r, err)
			continue
		}
		var got map[string]string
		if err := yaml.Unmarshal(data, &got); err != nil {
			t.Errorf("%U: %v\n%s", r, err, data)
			continue
		}
		if got["a"] != want["a"] || got["b"+string(r)] != string(r) {
			t.Errorf("%U: %q came back as %q\n%s", r, want, got, data)
		}
	}
}
