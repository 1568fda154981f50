package sync

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Schedule says when cycles run. The zero value runs one cycle after another.
type Schedule struct {
	interval time.Duration
	cron     cron.Schedule
}

// Every runs a cycle at once, and then after each interval, give or take a tenth,
// so that many agents do not poll in step.
func Every(interval time.Duration) (Schedule, error) {
	if interval <= 0 {
		return Schedule{}, fmt.Errorf("interval %s: it must be longer than nothing", interval)
	}
	return Schedule{interval: interval}, nil
}

// Cron runs cycles at the times of a cron expression: five fields, @hourly and the
// like, or @every 5m; CRON_TZ=Europe/Berlin before it sets the time zone. A run at an hour
// that daylight saving time skips comes when that ends, and one at an hour that it repeats
// comes once; one that comes each hour comes in each of the two.
func Cron(spec string) (Schedule, error) {
	// The parser panics on a time zone that nothing follows
	// (github.com/robfig/cron/issues/554).
	fields := strings.Fields(spec)
	if len(fields) == 1 && strings.Contains(fields[0], "TZ=") || len(fields) == 0 {
		return Schedule{}, fmt.Errorf("schedule %q has no times: write for example \"*/5 * * * *\"", spec)
	}
	parsed, err := cron.ParseStandard(strings.Join(fields, " "))
	if err != nil {
		return Schedule{}, fmt.Errorf("schedule %q: %w", spec, err)
	}
	if at := slices.Index(fields, "@every"); at >= 0 {
		// The parser makes a second of what is shorter.
		if every, err := time.ParseDuration(strings.Join(fields[at+1:], "")); err != nil || every < time.Second {
			return Schedule{}, fmt.Errorf("schedule %q: the time between two runs must be 1s or longer, such as \"@every 5m\"", spec)
		}
	}
	if at, ok := parsed.(*cron.SpecSchedule); ok {
		parsed = newWallClock(at)
	}
	if parsed.Next(time.Unix(0, 0)).IsZero() {
		return Schedule{}, fmt.Errorf("schedule %q: %w", spec, errors.New("it never comes"))
	}
	return Schedule{cron: parsed}, nil
}

// first says when the first cycle runs.
func (s Schedule) first(now time.Time) time.Time {
	if s.cron != nil {
		return s.cron.Next(now)
	}
	return now
}

// next says when the cycle after the one that ended now runs.
func (s Schedule) next(now time.Time) time.Time {
	if s.cron != nil {
		return s.cron.Next(now)
	}
	jitter := time.Duration(0)
	if s.interval >= 10 {
		jitter = rand.N(s.interval/5) - s.interval/10
	}
	return now.Add(s.interval + jitter)
}
