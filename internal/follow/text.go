package follow

import (
	"bytes"
	"fmt"
	"strings"
)

// byteOrderMark is what some editors put before UTF-8.
const byteOrderMark = "\xef\xbb\xbf"

// Line returns the parser of a file that holds one line, such as a token or a password:
// without the byte-order mark and the white space around it. What the file is for goes into
// errors, which hold nothing of the line.
func Line(name, what string) func(data []byte) (string, error) {
	return func(data []byte) (string, error) {
		text := strings.TrimSpace(string(bytes.TrimPrefix(data, []byte(byteOrderMark))))
		switch {
		case text == "":
			return "", fmt.Errorf("%w: %s holds no %s", ErrEmpty, name, what)
		case strings.ContainsAny(text, "\r\n"):
			return "", fmt.Errorf("%s has several lines, and the %s is one line", name, what)
		case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }):
			return "", fmt.Errorf("%s holds control characters, which no %s has", name, what)
		}
		return text, nil
	}
}
