package pin_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitsync/gitsync/pin"
)

var update = flag.Bool("update", false, "rewrite testdata/*.want")

const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// pinAll puts the digest behind each image that can be edited.
func pinAll(images []pin.Image) map[int]string {
	texts := map[int]string{}
	for i, image := range images {
		if image.Err == nil && !strings.Contains(image.Text, "@") {
			texts[i] = image.Text + "@" + digest
		}
	}
	return texts
}

// TestFilesKeepAllButTheImages compares testdata/*.yaml, edited, with testdata/*.want.
func TestFilesKeepAllButTheImages(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("find the cases: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			images, err := pin.Find(data)
			if err != nil {
				t.Fatal(err)
			}
			got, err := pin.Edit(data, images, pinAll(images))
			if err != nil {
				t.Fatal(err)
			}
			for _, image := range images {
				if image.Err != nil {
					got = append(got, []byte("# left: "+image.Text+"\n")...)
				}
			}
			want := strings.TrimSuffix(file, ".yaml") + ".want"
			if *update {
				if err := os.WriteFile(want, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			content, err := os.ReadFile(want)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(string(got), "\n"), strings.Split(string(content), "\n")); diff != "" {
				t.Errorf("it differs (-got +want), run with -update to accept it:\n%s", diff)
			}
			if removed := strings.ReplaceAll(string(got), "@"+digest, ""); !strings.HasPrefix(removed, string(data)) {
				t.Error("more than the digests was changed")
			}
		})
	}
}

func TestAFileThatWouldSaySomethingElseIsNotWritten(t *testing.T) {
	data := []byte("containers: {web: {image: nginx}}\n")
	images, err := pin.Find(data)
	if err != nil || len(images) != 1 {
		t.Fatalf("found %v, %v", images, err)
	}
	for _, text := range []string{"nginx, privileged: true", "nginx}", "nginx # x", "", "nginx: 1", "*a", "nginx\n  x: y", "1"} {
		if got, err := pin.Edit(data, images, map[int]string{0: text}); err == nil {
			t.Errorf("%q gives %s", text, got)
		}
	}
}

func TestWhatIsNoYAMLIsAnError(t *testing.T) {
	for _, data := range []string{"a: [", "a: 1\n---\nb: 2\n", "\x00", "a: *b"} {
		if images, err := pin.Find([]byte(data)); err == nil {
			t.Errorf("%q has %v", data, images)
		}
	}
	for _, data := range []string{"", "# nothing\n", "containers:\n", "containers: [a]\n", "containers: {a: {image: [b]}, c: 7, d: {image: }}\n", "- a\n", "containers: &a {b: *a}\n"} {
		if images, err := pin.Find([]byte(data)); err != nil || len(images) != 0 {
			t.Errorf("%q has %v, %v", data, images, err)
		}
	}
}

// FuzzEdit pins whatever images are found. Edit itself compares the YAML of the result; here
// it is compared in a second way: without the digests it is the file as it was.
func FuzzEdit(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("containers: {a: {<<: [&x {image: b}, *x], c: d}, e: &y {image: &z 'f'}, g: *y, h: {image: *z}}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		images, err := pin.Find(data)
		if err != nil || strings.Contains(string(data), digest) {
			return
		}
		texts := pinAll(images)
		out, err := pin.Edit(data, images, texts)
		if err != nil {
			return
		}
		if got := strings.ReplaceAll(string(out), "@"+digest, ""); got != string(data) {
			t.Errorf("%q became %q", data, out)
		}
		again, err := pin.Find(out)
		if err != nil || len(again) != len(images) {
			t.Fatalf("%q has %d images instead of %d: %v", out, len(again), len(images), err)
		}
		for i, image := range again {
			want := images[i].Text
			if text, ok := texts[i]; ok {
				want = text
			}
			if image.Text != want {
				t.Errorf("image %d is %q, want %q", i, image.Text, want)
			}
		}
	})
}
