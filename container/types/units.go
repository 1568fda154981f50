package types

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/docker/go-units"
)

// DefaultStopTimeout is how long a stop waits for the process to end before it
// is killed, where the container does not say otherwise.
const DefaultStopTimeout = 30 * time.Second

// Duration is a [time.Duration] whose JSON form is text such as "1m30s"; a bare
// JSON number is read as seconds, as Docker users write it.
type Duration time.Duration

// ParseDuration reads "90s", "1m30s" or a bare number of seconds. Negative
// values are errors.
func ParseDuration(s string) (Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		if d, err = time.ParseDuration(s + "s"); err != nil {
			return 0, fmt.Errorf("%q is no duration: write for example 30s or 1m30s", s)
		}
	}
	if d < 0 {
		return 0, fmt.Errorf("duration %q is negative", s)
	}
	return Duration(d), nil
}

// String returns the form that [ParseDuration] reads.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalJSON implements [json.Marshaler].
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// UnmarshalJSON implements [json.Unmarshaler].
func (d *Duration) UnmarshalJSON(b []byte) error {
	s, err := textOrNumber(b)
	if err != nil {
		return err
	}
	*d, err = ParseDuration(s)
	return err
}

// Bytes is an amount of memory. Its JSON form is a number; text such as "512m"
// or "1.5g" is read too (k, m, g are powers of 1024, as in docker run).
type Bytes int64

// ParseBytes reads "512m", "1.5g" or a bare number of bytes. Negative values
// are errors.
func ParseBytes(s string) (Bytes, error) {
	n, err := units.RAMInBytes(s)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is no amount of memory: write for example 512m or 2g", s)
	}
	return Bytes(n), nil
}

// String returns a form that a person reads easily, such as "512MiB".
func (b Bytes) String() string { return units.BytesSize(float64(b)) }

// UnmarshalJSON implements [json.Unmarshaler].
func (b *Bytes) UnmarshalJSON(data []byte) error {
	s, err := textOrNumber(data)
	if err != nil {
		return err
	}
	*b, err = ParseBytes(s)
	return err
}

func textOrNumber(b []byte) (string, error) {
	if len(b) > 0 && b[0] == '"' {
		var s string
		err := json.Unmarshal(b, &s)
		return s, err
	}
	var n json.Number
	err := json.Unmarshal(b, &n)
	return n.String(), err
}
