package layout

import (
	"strings"

	"github.com/gitsync/gitsync/internal/spelling"
)

// listOrRefer names the words when they are few, or where they are explained.
func listOrRefer(words []string) string {
	const few = 8
	if len(words) <= few {
		return "known are " + strings.Join(words, ", ")
	}
	return "repo-layout.md lists what there is"
}

// nearest returns the known word that a slip of the hand turns into this one; it
// is empty when there is none.
func nearest(word string, known []string) string { return spelling.Nearest(word, known) }
