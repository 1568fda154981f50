package runtime

import (
	"strconv"
	"strings"
)

// AccountNumber returns the number of a user, or of a group, by what /etc/passwd, or
// /etc/group, says.
func AccountNumber(content, name string) (number string, known bool) {
	for line := range strings.Lines(content) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if len(fields) > 2 && fields[0] == name {
			_, err := strconv.ParseUint(fields[2], 10, 31)
			return fields[2], err == nil
		}
	}
	return "", false
}
