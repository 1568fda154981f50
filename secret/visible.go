package secret

import "strings"

// How much of a sequence for a terminal is not text: all of it, its first character, or no
// more than the control character, since it may be begun in the middle of a word.
const (
	allOfIt  = 1 << 10
	itsBegin = 1
	noMore   = 0
)

// offsets says where the bytes of a visible text are in the one that it was made of; nil
// when both are the same.
type offsets []int

func (o offsets) original(i int) int {
	if o == nil {
		return i
	}
	return o[i]
}

// visible returns a text without control characters and the sequences by which terminals
// are told colors and positions: with them, or a line break, between its letters a secret is
// as readable as without.
// How much of a sequence is left out says the mode.
func visible(text string, mode int) (string, offsets) {
	first := strings.IndexFunc(text, isControl)
	if first < 0 {
		return text, nil
	}
	out, at := make([]byte, 0, len(text)), make(offsets, 0, len(text))
	for i := 0; i < len(text); {
		if skip, more := controlAt(text[i:]); skip > 0 {
			i += skip + min(more, mode)
			continue
		}
		out, at = append(out, text[i]), append(at, i)
		i++
	}
	return string(out), at
}

func isControl(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }

// hasSequence says whether a text may hold sequences for a terminal.
func hasSequence(text string) bool {
	return strings.IndexByte(text, 0x1b) >= 0 || strings.Contains(text, "\u009b")
}

// controlAt returns how long the control character is that a text begins with, and how long
// the rest of its sequence; 0 when it begins with something else.
func controlAt(text string) (length, more int) {
	switch c := text[0]; {
	case c == 0x1b:
		return 1, sequence(text[1:])
	case c < ' ' || c == 0x7f:
		return 1, 0
	case c == 0xc2 && len(text) > 1 && text[1] >= 0x80 && text[1] < 0xa0:
		if text[1] == 0x9b { // CSI in one character
			return 2, parameters(text[2:])
		}
		return 2, 0
	}
	return 0, 0
}

// sequence returns how long what follows an escape character is: of colors and the like all
// of it, of others up to the character that says what it is. What a title or a link says is
// kept.
func sequence(text string) int {
	if strings.HasPrefix(text, "[") {
		return 1 + parameters(text[1:])
	}
	for i := range min(len(text), 4) {
		switch c := text[i]; {
		case c >= 0x30 && c <= 0x7e:
			return i + 1
		case c < 0x20 || c > 0x7e:
			return i
		}
	}
	return 0
}

// parameters returns the length of the numbers of a sequence and of the letter at its end.
func parameters(text string) int {
	const most = 64
	for i := range min(len(text), most) {
		switch c := text[i]; {
		case c >= 0x40 && c <= 0x7e:
			return i + 1
		case c < 0x20 || c > 0x7e:
			return i
		}
	}
	return min(len(text), most)
}
