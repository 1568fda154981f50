package pin

import (
	"errors"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
)

// Edit returns the file with other texts for some of the images that [Find] found in it, by
// their index. Nothing else in it changes.
//
// Errors: an image that cannot be edited, and a result that would be other YAML than the
// file but for the texts.
func Edit(data []byte, images []Image, texts map[int]string) ([]byte, error) {
	out := make([]byte, 0, len(data)+len(texts)*80)
	from := 0
	for i, image := range images {
		text, ok := texts[i]
		if !ok {
			continue
		}
		if image.Err != nil {
			return nil, fmt.Errorf("line %d: %w", image.Line, image.Err)
		}
		out = append(append(out, data[from:image.start]...), text...)
		from = image.end
	}
	out = append(out, data[from:]...)
	if err := compare(data, out, images, texts); err != nil {
		return nil, err
	}
	return out, nil
}

var errOther = errors.New("edited, the file would not say the same: write the digest by hand")

// compare reads both files, and says whether they are the same but for the texts.
func compare(before, after []byte, images []Image, texts map[int]string) error {
	old, err := parse(before)
	if err != nil {
		return err
	}
	edited, err := parse(after)
	if err != nil {
		return fmt.Errorf("%w: %w", errOther, err)
	}
	wanted := map[[2]int]string{}
	for i, text := range texts {
		wanted[[2]int{images[i].Line, images[i].Column}] = text
	}
	if !same(old, edited, wanted) {
		return errOther
	}
	found, err := Find(after)
	if err != nil || len(found) != len(images) {
		return errOther
	}
	for i, image := range found {
		want, ok := texts[i]
		if !ok {
			want = images[i].Text
		}
		if image.Text != want || !slices.Equal(image.Containers, images[i].Containers) {
			return errOther
		}
	}
	return nil
}

// same compares two trees. Wanted are the texts that differ, by line and column in the first.
func same(a, b *yaml.Node, wanted map[[2]int]string) bool {
	if a == nil || b == nil {
		return a == b
	}
	if a.Kind != b.Kind || a.Style != b.Style || a.Anchor != b.Anchor || a.Line != b.Line || len(a.Content) != len(b.Content) ||
		a.HeadComment != b.HeadComment || a.LineComment != b.LineComment || a.FootComment != b.FootComment {
		return false
	}
	if text, edited := wanted[[2]int{a.Line, a.Column}]; edited && a.Kind == yaml.ScalarNode {
		return b.Value == text && b.ShortTag() == "!!str"
	}
	if a.Value != b.Value || a.ShortTag() != b.ShortTag() {
		return false
	}
	for i := range a.Content {
		if !same(a.Content[i], b.Content[i], wanted) {
			return false
		}
	}
	return true
}
