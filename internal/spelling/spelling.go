package spelling

import "strings"

// longest is how many letters a typo has at most: a longer word is compared with none.
const longest = 40

// Nearest returns the known word that a typo turns into this one; it is empty when there
// is none.
func Nearest(word string, known []string) string {
	meant, most := plain(word), max(1, len(word)/3)
	if len(meant) > longest {
		return ""
	}
	best := ""
	for _, k := range known {
		if max(len(k), len(word)) <= 4*longest && Alike(word, k) {
			return k
		}
		// The word is too long, or too short, whatever its letters are.
		if len(k)-most > 2*longest {
			continue
		}
		other := plain(k)
		if apart := max(len(other)-len(meant), len(meant)-len(other)); apart > most {
			continue
		}
		if d := distance(meant, other, most); d <= most {
			if best, most = k, d-1; most < 0 {
				break
			}
		}
	}
	return best
}

// plain returns the word as it is compared: cap_add, cap-add and capAdd are one.
func plain(word string) string {
	if strings.ContainsAny(word, "_-.") {
		word = strings.Map(func(r rune) rune {
			if r == '_' || r == '-' || r == '.' {
				return -1
			}
			return r
		}, word)
	}
	return strings.ToLower(word)
}

// distance returns the number of letters to insert, delete, replace or swap with
// their neighbour to turn a into b, or more than most where it is more than that.
func distance(a, b string, most int) int {
	var rows [3][longest + 1]int
	if len(a) > longest || len(b) > longest {
		return most + 1
	}
	before, last, row := rows[0][:len(b)+1], rows[1][:len(b)+1], rows[2][:len(b)+1]
	for j := range last {
		last[j] = j
	}
	least := 0
	for i := 1; i <= len(a); i++ {
		earlier := least
		row[0], least = i, i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(row[j-1]+1, last[j]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
			least = min(least, row[j])
		}
		if least > most && earlier > most {
			return least
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
