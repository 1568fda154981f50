package sync

import (
	"time"

	"github.com/robfig/cron/v3"
)

// wallClock is a cron expression that is right on the days when clocks are changed, which
// the library's are not: it skips runs, or lets them come twice. What comes at certain hours
// comes once for each time that the clock should show: at the end of the gap when the clock
// jumps over it, and the first time when it shows it twice. What comes each hour comes by
// the time that passes, so in both hours that look the same.
type wallClock struct {
	// times are those of the expression, as if clocks were never changed.
	times cron.SpecSchedule
	zone  *time.Location
	// hourly says that the expression leaves out no hour.
	hourly bool
}

// everyHour has a bit for each hour of a day.
const everyHour = 1<<24 - 1

// maxChanges bounds how many changes of the clock are passed on the way to the next run:
// the library looks five years ahead.
const maxChanges = 100

func newWallClock(s *cron.SpecSchedule) *wallClock {
	w := &wallClock{times: *s, zone: s.Location, hourly: s.Hour&everyHour == everyHour}
	w.times.Location = time.UTC
	return w
}

// Next implements [cron.Schedule]: it returns the first run after now, and zero when there
// is none.
func (w *wallClock) Next(now time.Time) time.Time {
	zone := w.zone
	if zone == time.Local {
		zone = now.Location()
	}
	// What is shown from here on counts, in the period between two changes of the clock that
	// from is in.
	from := now.In(zone)
	shown := onClock(from)
	for range maxChanges {
		begin, end := from.ZoneBounds()
		if !w.hourly && !begin.IsZero() {
			// What the clock has shown before the change does not count again.
			if before := onClock(begin.Add(-1)); shown.Before(before) {
				shown = before
			}
		}
		run := w.times.Next(shown)
		if run.IsZero() {
			return run
		}
		at := from.Add(run.Sub(onClock(from)))
		if end.IsZero() || at.Before(end) {
			return at
		}
		from = end.In(zone)
		if run.Before(onClock(from)) {
			// The clock jumps over it.
			return from
		}
		shown = onClock(from).Add(-1)
	}
	return time.Time{}
}

// onClock is what a clock shows, as if that were UTC.
func onClock(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}
