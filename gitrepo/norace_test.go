//go:build !race

package gitrepo_test

// raceMemory is how many times the memory a process needs under the race detector.
const raceMemory = 1
