package main

import "testing"

func TestWhatTheEnvironmentSaysOfMemoryCountsBeforeTheDaemonsOwn(t *testing.T) {
	for name, c := range map[string]struct {
		env  map[string]string
		want int
	}{
		"nothing":        {nil, 50},
		"a percentage":   {map[string]string{"GOGC": "off"}, 0},
		"a memory limit": {map[string]string{"GOMEMLIMIT": "100MiB"}, 0},
	} {
		if got := garbagePercent(func(key string) string { return c.env[key] }); got != c.want {
			t.Errorf("%s: got %d, want %d", name, got, c.want)
		}
	}
}
