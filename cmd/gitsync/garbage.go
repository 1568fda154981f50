package main

import (
	"os"
	"runtime/debug"
)

// daemonGarbage is how much garbage a daemon lets pile up before it is collected, in percent
// of what it holds: half of Go's default. It runs for months beside others, and is idle most
// of the time.
const daemonGarbage = 50

// collectEarly makes a daemon take less memory, and some more CPU while it works. Who sets
// $GOGC or $GOMEMLIMIT knows better.
func collectEarly() {
	if percent := garbagePercent(os.Getenv); percent > 0 {
		debug.SetGCPercent(percent)
	}
}

// garbagePercent is what the garbage collector is told; 0 for nothing.
func garbagePercent(getenv func(string) string) int {
	if getenv("GOGC") != "" || getenv("GOMEMLIMIT") != "" {
		return 0
	}
	return daemonGarbage
}
