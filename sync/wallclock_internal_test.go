package sync

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// expression is a cron expression whose days are all days.
type expression struct{ minutes, hours []int }

func (e expression) matches(t time.Time) bool {
	return slices.Contains(e.minutes, t.Minute()) && (e.hours == nil || slices.Contains(e.hours, t.Hour()))
}

func (e expression) String() string {
	list := func(numbers []int) string {
		if numbers == nil {
			return "*"
		}
		var texts []string
		for _, n := range numbers {
			texts = append(texts, strconv.Itoa(n))
		}
		return strings.Join(texts, ",")
	}
	return list(e.minutes) + " " + list(e.hours) + " * * *"
}

// walk returns the runs between two times, minute by minute.
func (e expression) walk(from, to time.Time) (runs []time.Time) {
	shown := map[time.Time]bool{}
	last := onClock(from.Add(-time.Minute))
	for t := from; t.Before(to); t = t.Add(time.Minute) {
		clock := onClock(t)
		run := e.matches(clock) && (e.hours == nil || !shown[clock])
		for jumped := last.Add(time.Minute); jumped.Before(clock); jumped = jumped.Add(time.Minute) {
			run = run || e.matches(jumped)
		}
		if run {
			runs = append(runs, t)
		}
		shown[clock], last = true, clock
	}
	return runs
}

func TestRunsAreThoseOfAWalkThroughTheMinutes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for zone, days := range map[string][]string{
		"Europe/Berlin":       {"2026-03-29", "2026-10-25", "2026-06-01"},
		"America/Santiago":    {"2026-04-05", "2026-09-06"},
		"Australia/Lord_Howe": {"2026-04-05", "2026-10-04"},
		"America/New_York":    {"2026-03-08", "2026-11-01"},
		"UTC":                 {"2026-03-29"},
	} {
		location, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		for _, day := range days {
			middle, err := time.ParseInLocation(time.DateOnly, day, location)
			if err != nil {
				t.Fatal(err)
			}
			from, to := middle.Add(-24*time.Hour), middle.Add(48*time.Hour)
			for range 60 {
				e := expression{minutes: []int{random.IntN(60)}}
				for range random.IntN(4) {
					e.minutes = append(e.minutes, random.IntN(60))
				}
				for range random.IntN(4) {
					// Those at which clocks are changed, most of the time.
					e.hours = append(e.hours, []int{0, 1, 2, 3, 23, random.IntN(24)}[random.IntN(6)])
				}
				spec := fmt.Sprintf("CRON_TZ=%s %s", zone, e)
				schedule, err := Cron(spec)
				if err != nil {
					t.Fatal(err)
				}
				var got []time.Time
				for at := schedule.next(from.Add(-1)); at.Before(to); at = schedule.next(at) {
					got = append(got, at)
				}
				if want := e.walk(from, to); !slices.EqualFunc(got, want, time.Time.Equal) {
					t.Errorf("%s around %s:\n%v\nwant\n%v", spec, day, got, want)
				}
			}
		}
	}
}

func TestRunsOnTheDaysWhenClocksAreChanged(t *testing.T) {
	for _, test := range []struct{ spec, after, want string }{
		{"CRON_TZ=Europe/Berlin 30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"},
		{"CRON_TZ=Europe/Berlin 30 2 * * *", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"},
		{"CRON_TZ=Europe/Berlin 30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"},
		{"CRON_TZ=Europe/Berlin 30 2 * * *", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"},
		{"CRON_TZ=Europe/Berlin 30 2 * * *", "2026-10-25T01:10:00Z", "2026-10-26T01:30:00Z"},
		{"CRON_TZ=Europe/Berlin */30 * * * *", "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z"},
		{"CRON_TZ=America/Santiago 0 0 * * *", "2026-09-05T12:00:00Z", "2026-09-06T04:00:00Z"},
		{"CRON_TZ=America/Santiago @daily", "2026-09-06T04:00:00Z", "2026-09-07T03:00:00Z"},
		{"CRON_TZ=Australia/Lord_Howe 15 2 * * *", "2026-10-03T12:00:00Z", "2026-10-03T15:30:00Z"},
		{"CRON_TZ=Pacific/Apia 0 12 * * *", "2011-12-30T00:00:00Z", "2011-12-30T10:00:00Z"},
		{"CRON_TZ=UTC 0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"},
		{"CRON_TZ=Europe/Berlin 0 3 1 1 *", "2026-01-02T00:00:00Z", "2027-01-01T02:00:00Z"},
	} {
		schedule, err := Cron(test.spec)
		if err != nil {
			t.Fatal(err)
		}
		after, err := time.Parse(time.RFC3339, test.after)
		if err != nil {
			t.Fatal(err)
		}
		if got := schedule.next(after).UTC().Format(time.RFC3339); got != test.want {
			t.Errorf("%s after %s: %s, want %s", test.spec, test.after, got, test.want)
		}
	}
}
