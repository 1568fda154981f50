package layout

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
)

// minDriftInterval keeps an engine from being asked all the time.
const minDriftInterval = types.Duration(10 * time.Second)

// hostDrift is what host.yaml says about drift.
type hostDrift struct {
	policy container.DriftPolicy
	// interval is the time between two complete looks; 0 is the default.
	interval types.Duration
}

var driftSchema = schema[container.DriftPolicy]{
	{key: "policy", decode: text(func(p *container.DriftPolicy) *string { return &p.Policy }, oneOf(container.Repair, container.ReportOnly, container.Ignore))},
	{key: "ignore", decode: scalars(func(p *container.DriftPolicy) *[]string { return &p.Ignore }, driftField), aka: []string{"ignoreFields", "exclude"}},
}

var hostDriftSchema = schema[hostDrift]{
	{key: "policy", decode: text(func(h *hostDrift) *string { return &h.policy.Policy }, oneOf(container.Repair, container.ReportOnly, container.Ignore))},
	{key: "ignore", decode: scalars(func(h *hostDrift) *[]string { return &h.policy.Ignore }, driftField), aka: []string{"ignoreFields", "exclude"}},
	{key: "interval", decode: duration(func(h *hostDrift) *types.Duration { return &h.interval }), aka: []string{"every"}},
}

func decodeDrift(d *decoder, what string, n *yaml.Node, e *entry) {
	e.drift = &container.DriftPolicy{}
	driftSchema.decode(d, what, n, e.drift)
}

func decodeHostDrift(d *decoder, what string, n *yaml.Node, r *reach) {
	hostDriftSchema.decode(d, what, n, &r.drift)
	if i := r.drift.interval; i > 0 && i < minDriftInterval {
		d.bad(resolve(n), "write 10s or more: changes are told at once anyway", "%s.interval %s is too short", what, i)
	}
}

// driftField checks the name of what may drift.
func driftField(name string) (problem, hint string) {
	field, _, _ := strings.Cut(name, ".")
	if slices.Contains(container.DriftFields, field) {
		return "", ""
	}
	if best := nearest(field, container.DriftFields); best != "" {
		return "is nothing that drifts", fmt.Sprintf("did you mean %q?", best)
	}
	return "is nothing that drifts", "write a key of a container, such as memory or env.TZ, or status, health, name, networks"
}

// driftPolicy is a container's own policy over that of its host; nil when neither says
// anything.
func driftPolicy(own *container.DriftPolicy, host container.DriftPolicy) *container.DriftPolicy {
	p := container.DriftPolicy{Policy: host.Policy, Ignore: slices.Clone(host.Ignore)}
	if own != nil {
		if own.Policy != "" {
			p.Policy = own.Policy
		}
		p.Ignore = append(p.Ignore, own.Ignore...)
	}
	if p.Policy == "" && len(p.Ignore) == 0 {
		return nil
	}
	return &p
}
