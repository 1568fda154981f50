package runtime

import "time"

// EmptyImage is an image without content, for containers that are never started and only
// hold something: a name, labels, files. A runtime that lacks it makes it itself, at
// Create: it comes from no registry.
const EmptyImage = "gitsync/empty:1"

// Clock is a runtime that tells the time of the machine that it is on.
type Clock interface {
	// Time returns the machine's time when it gave its last answer. It makes no call. It
	// is an error when no answer has told the time.
	Time() (time.Time, error)
}
