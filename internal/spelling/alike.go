package spelling

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// foreign are letters of other scripts that look like the Latin ones below them in most fonts:
// https://www.unicode.org/reports/tr39/#Confusable_Detection has them all.
const (
	foreign = "аеікорстухѕјԁһԛԝАВЕІЈКМНОРСТУХЅαινοτυκρχΑΒΕΖΗΙΚΜΝΟΡΤΥΧı"
	latin   = "aeikopctyxsjdhqwABEIJKMHOPCTYXSaivotukpxABEZHIKMNOPTYXi"
)

// Alike says whether two texts that differ look the same to people: in another Unicode form,
// with letters of another script, or with characters that have no width.
func Alike(a, b string) bool {
	return a != b && (!isASCII(a) || !isASCII(b)) && skeleton(a) == skeleton(b)
}

// Deceives says whether a text holds characters that do not look like what they are: marks
// that join the letter before, letters of another script among Latin ones, wide forms, and
// what has no width.
func Deceives(s string) bool {
	if isASCII(s) {
		return false
	}
	latinLetters := strings.ContainsFunc(s, func(r rune) bool { return r < unicode.MaxASCII && unicode.IsLetter(r) })
	return strings.ContainsFunc(s, func(r rune) bool {
		return unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) || r >= 0xff00 && r <= 0xffef || latinLetters && strings.ContainsRune(foreign, r)
	})
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] > unicode.MaxASCII {
			return false
		}
	}
	return true
}

// skeleton is the same for texts that look the same.
func skeleton(s string) string {
	from, to := []rune(foreign), []rune(latin)
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) {
			return -1
		}
		for i, f := range from {
			if f == r {
				return to[i]
			}
		}
		return r
	}, norm.NFKD.String(s))
}
