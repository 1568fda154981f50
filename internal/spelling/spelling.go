// Package spelling finds the word that somebody meant.
//
// It is for "did you mean" beside an unknown key: it knows nothing of what the words are.
package spelling

import "strings"

// Nearest returns the known word that a slip of the hand turns into this one; it
// is empty when there is none.
func Nearest(word string, known []string) string {
	best, bestDistance := "", max(1, len(word)/3)+1
	for _, k := range known {
		if d := distance(plain(word), plain(k)); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	return best
}

// plain returns the word as it is compared: cap_add, cap-add and capAdd are one.
func plain(word string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", ".", "").Replace(word))
}

// distance returns the number of letters to insert, delete, replace or swap with
// their neighbour to turn a into b. Words that are too long to be a slip of the
// hand are as far apart as they are long.
func distance(a, b string) int {
	const limit = 40
	if len(a) > limit || len(b) > limit {
		return max(len(a), len(b))
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(row[j-1]+1, last[j]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
