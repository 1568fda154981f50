// Package memory is a runtime that runs nothing and remembers everything: for
// trials without Docker, and for tests.
//
// A [World] is a machine: containers, images, and a file system. It behaves as a
// Docker Engine does where gitsync can notice: names are unique, a published port
// can be taken only once, a container that has the host's root directory mounted
// reads and writes the host's files. Any image can be pulled, unless the world was
// told otherwise. With a file the world outlives the process, and several
// processes share it.
//
// Not imitated: what happens inside of containers, networks, time.
package memory
