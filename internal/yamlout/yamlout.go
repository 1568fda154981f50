// Package yamlout writes values as YAML, whatever their texts hold.
package yamlout

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"sigs.k8s.io/yaml"
)

// Marshal is [yaml.Marshal], and takes texts with control characters as well: a config
// file, or what an engine said, may hold some that YAML has only as escapes (YAML 1.1,
// section 5.1). It is safe for concurrent use.
func Marshal(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return yaml.JSONToYAML(escape(data))
}

// escape writes what YAML would refuse, or take for the end of a line, as JSON's escapes.
// In JSON such characters are in texts only.
func escape(data []byte) []byte {
	if bytes.IndexFunc(data, mustEscape) < 0 {
		return data
	}
	var out bytes.Buffer
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		if mustEscape(r) {
			fmt.Fprintf(&out, `\u%04x`, r)
		} else {
			out.Write(data[:size])
		}
		data = data[size:]
	}
	return out.Bytes()
}

func mustEscape(r rune) bool {
	return r >= 0x7f && r <= 0x9f || r == 0xfeff || r == 0xfffe || r == 0xffff
}
