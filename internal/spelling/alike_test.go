package spelling_test

import (
	"testing"

	"github.com/gitsync/gitsync/internal/spelling"
)

func TestTextsThatLookAlikeAreFound(t *testing.T) {
	for _, pair := range [][2]string{
		{"caf\u00e9.conf", "cafe\u0301.conf"},
		{"web", "w\u0435b"},
		{"web", "we\u200bb"},
		{"web", "\uff57eb"},
		{"\u03bfne", "one"},
	} {
		if !spelling.Alike(pair[0], pair[1]) || !spelling.Alike(pair[1], pair[0]) {
			t.Errorf("%+q and %+q look alike", pair[0], pair[1])
		}
		if got := spelling.Nearest(pair[1], []string{"other", pair[0]}); got != pair[0] {
			t.Errorf("%+q: got %+q, want %+q", pair[1], got, pair[0])
		}
	}
	for _, pair := range [][2]string{{"web", "web"}, {"web", "wab"}, {"caf\u00e9", "cafe"}, {"\u0432\u0435\u0431", "veb"}} {
		if spelling.Alike(pair[0], pair[1]) {
			t.Errorf("%+q and %+q do not look alike", pair[0], pair[1])
		}
	}
}

func TestATextThatIsWhatItLooksLikeDeceivesNobody(t *testing.T) {
	for text, want := range map[string]bool{
		"web": false, "größe": false, "веб": false, "名前": false, "w\u0435b": true, "cafe\u0301": true, "we\u200bb": true, "\uff57eb": true,
	} {
		if spelling.Deceives(text) != want {
			t.Errorf("%+q: got %v", text, !want)
		}
	}
}
