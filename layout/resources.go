package layout

import (
	"math"
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/gitsync/gitsync/container/types"
)

// minMemory is the smallest limit that Docker takes.
const minMemory = types.Bytes(6 << 20)

var memoryText = regexp.MustCompile(`(?i)^[0-9]+(\.[0-9]+)? ?([bkmgt]|[kmgt]i?b)?$`)

func decodeMemory(d *decoder, what string, n *yaml.Node, e *entry) {
	s, ok := d.scalar(what, n)
	if !ok {
		return
	}
	amount, err := types.ParseBytes(s)
	switch {
	case !memoryText.MatchString(s), err != nil, amount == math.MaxInt64:
		d.bad(resolve(n), "write for example 512m or 2g", "%s %s is no amount of memory", what, quoted(s))
	case amount > 0 && amount < minMemory:
		d.bad(resolve(n), "write 6m or more; a number without a unit is bytes", "%s %s is less than Docker takes", what, quoted(s))
	default:
		e.config.Memory = amount
	}
}

func decodeCPUs(d *decoder, what string, n *yaml.Node, e *entry) {
	const most = 1 << 16
	s, ok := d.scalar(what, n)
	if !ok {
		return
	}
	cpus, err := strconv.ParseFloat(s, 64)
	if err != nil || !(cpus == 0 || cpus >= 0.01 && cpus <= most) {
		d.bad(resolve(n), "write for example 1.5", "%s %s is no number of CPUs from 0.01 to %d", what, quoted(s), most)
		return
	}
	e.config.CPUs = cpus
}

func decodeStopTimeout(d *decoder, what string, n *yaml.Node, e *entry) {
	before := len(d.mistakes)
	duration(func(e *entry) *types.Duration { return &e.config.StopTimeout })(d, what, n, e)
	if e.config.StopTimeout == 0 && len(d.mistakes) == before {
		d.bad(resolve(n), "write 1s or more, or leave it out for 30s", "%s must not be zero", what)
	}
}

// healthcheck is what the keys of healthcheck say.
type healthcheck struct {
	types.Healthcheck
	disable bool
}

var healthcheckSchema = schema[healthcheck]{
	{key: "test", decode: decodeTest, aka: []string{"command", "cmd"}},
	{key: "interval", decode: duration(func(h *healthcheck) *types.Duration { return &h.Interval })},
	{key: "timeout", decode: duration(func(h *healthcheck) *types.Duration { return &h.Timeout })},
	{key: "startPeriod", decode: duration(func(h *healthcheck) *types.Duration { return &h.StartPeriod })},
	{key: "retries", decode: integer(func(h *healthcheck) *int { return &h.Retries }, 1000)},
	{key: "disable", decode: boolean(func(h *healthcheck) *bool { return &h.disable }), aka: []string{"disabled"}},
}

func decodeHealthcheck(d *decoder, what string, n *yaml.Node, e *entry) {
	before := len(d.mistakes)
	var h healthcheck
	healthcheckSchema.decode(d, what, n, &h)
	switch {
	case len(d.mistakes) > before:
	case h.disable && len(resolve(n).Content) > 2:
		d.bad(resolve(n), "write {disable: true} alone", "%s is disabled, so its other keys have no effect", what)
	case h.disable:
		e.config.Healthcheck = &types.Healthcheck{Test: []string{"NONE"}}
	default:
		e.config.Healthcheck = &h.Healthcheck
	}
}

// decodeTest takes a shell line, or a list that says how it is run.
func decodeTest(d *decoder, what string, n *yaml.Node, h *healthcheck) {
	const forms = `write a line for the shell, ["CMD", "/bin/probe", "-x"] or ["CMD-SHELL", "probe -x || exit 1"]`
	n = resolve(n)
	if n.Kind == yaml.ScalarNode {
		s, ok := d.text(what, n)
		if ok && s == "" {
			d.bad(n, forms, "%s is empty", what)
		}
		h.Test = []string{"CMD-SHELL", s}
		return
	}
	before := len(d.mistakes)
	scalars(func(h *healthcheck) *[]string { return &h.Test }, anything)(d, what, n, h)
	if len(d.mistakes) > before {
		return
	}
	words := map[string]bool{"NONE": len(h.Test) == 1, "CMD": len(h.Test) >= 2, "CMD-SHELL": len(h.Test) == 2}
	if len(h.Test) == 0 || !words[h.Test[0]] {
		d.bad(n, forms, "%s is no command for a health check", what)
	}
}
