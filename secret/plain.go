package secret

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
)

// One ciphertext can be written in many ways that open alike: armored or not, with other
// white space, with other bits behind the end of its base64. Whoever copies a file of
// somebody else could make it look like another one.

// ageFooter ends an armored file.
var ageFooter = []byte("-----END AGE ENCRYPTED FILE-----")

// plainAge returns an age file without its armor. What has none is returned as it is, and so
// is what age does not read.
func plainAge(data []byte) []byte {
	body, armored := bytes.CutPrefix(bytes.TrimSpace(data), ageArmor)
	if !armored {
		return data
	}
	body, _ = bytes.CutSuffix(body, ageFooter)
	plain, err := base64.StdEncoding.DecodeString(string(bytes.Join(bytes.Fields(body), nil)))
	if err != nil {
		return data
	}
	return plain
}

// plainSOPS returns a value as SOPS writes it. The type, which nothing protects, is that of
// a text: a number can be made one.
func plainSOPS(text string) []byte {
	parts := encrypted.FindStringSubmatch(text)
	if parts == nil {
		return []byte(text)
	}
	for i, part := range parts[1:4] {
		decoded, err := base64.StdEncoding.DecodeString(part)
		if err != nil {
			return []byte(text)
		}
		parts[i+1] = base64.StdEncoding.EncodeToString(decoded)
	}
	return fmt.Appendf(nil, "ENC[AES256_GCM,data:%s,iv:%s,tag:%s,type:str]", parts[1], parts[2], parts[3])
}

// dataKeyBytes is the length of the key of a SOPS file.
const dataKeyBytes = 32

// IsDataKey says whether what an age file holds may be the key of a SOPS file: those are
// encrypted with age too, in the file that they open.
func IsDataKey(e Entry, value string) bool {
	return e.Key == "" && len(value) == dataKeyBytes &&
		strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' })
}
