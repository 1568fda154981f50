package spelling_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/internal/spelling"
)

func TestTheNearestWordIsFound(t *testing.T) {
	known := []string{"image", "mounts", "networkMode", "capAdd", "capDrop", strings.Repeat("long", 11)}
	for word, want := range map[string]string{
		"imgae": "image", "images": "image", "mount": "mounts", "cap_add": "capAdd", "cap-drop": "capDrop", "NETWORKMODE": "networkMode",
		"network_mod": "networkMode", "volumes": "", "x": "", "": "", strings.Repeat("long", 10): "", strings.Repeat("image", 1000): "",
	} {
		if got := spelling.Nearest(word, known); got != want {
			t.Errorf("nearest to %q: got %q, want %q", word, got, want)
		}
	}
}

// slow is the distance by its definition, without any bound.
func slow(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}

func TestTheBoundsOfTheSearchChangeNoResult(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 23))
	word := func() string {
		letters := make([]byte, r.IntN(9))
		for i := range letters {
			letters[i] = "abc"[r.IntN(3)]
		}
		return string(letters)
	}
	for range 3000 {
		meant, known := word(), []string{word(), word(), word(), word(), word()}
		want, least := "", max(1, len(meant)/3)+1
		for _, k := range known {
			if d := slow(meant, k); d < least {
				want, least = k, d
			}
		}
		if got := spelling.Nearest(meant, known); got != want {
			t.Fatalf("nearest to %q in %q: got %q, want %q", meant, known, got, want)
		}
	}
}
