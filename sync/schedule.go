package sync

import (
	"errors"
	"fmt"
	"math/rand/v2"
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
// like, or @every 5m; CRON_TZ=Europe/Berlin before it sets the time zone.
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
