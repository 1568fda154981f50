package layout

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitsync/gitsync/container/types"
)

const settingsFile = "gitsync.yaml"

// Settings are what gitsync.yaml says about the repo as a whole. Without the file
// they are the defaults.
type Settings struct {
	// Rollout says in which order the hosts follow a commit; nil means all at once.
	Rollout *Rollout
	// PruneLimit is the fraction of a host's containers that one commit may remove;
	// [DefaultPruneLimit] by default. 0 means no limit.
	PruneLimit float64
}

// DefaultPruneLimit is half of a host's containers.
const DefaultPruneLimit = 0.5

// Rollout says in which order the hosts follow a commit. Its terms are those of
// Swarm's update_config.
type Rollout struct {
	// Parallelism is how many hosts follow at once, after the canaries; 0 means all.
	Parallelism int
	// Canary are the hosts that go first.
	Canary []string
	// CanaryCount is how many hosts go first, by their names, where Canary is empty.
	CanaryCount int
	// Monitor is how long the canaries must run well before the others follow.
	Monitor types.Duration
	// OnFailure is [StopRollout] (the default) or [ContinueRollout].
	OnFailure string
}

// What happens when a host of a roll-out fails.
const (
	StopRollout     = "stop"
	ContinueRollout = "continue"
)

// settings is gitsync.yaml while it is read.
type settings struct {
	Settings
	canaryAt []position
}

var settingsSchema = schema[settings]{
	{key: "rollout", decode: decodeRollout, aka: []string{"roll-out", "strategy"}},
	{key: "prune", decode: decodePrune},
	{key: "version", decode: decodeVersion},
}

var rolloutSchema = schema[settings]{
	{key: "parallelism", decode: integer(func(s *settings) *int { return &s.Rollout.Parallelism }, MaxHosts), aka: []string{"maxUnavailable", "batch"}},
	{key: "canary", decode: decodeCanary, aka: []string{"canaries"}},
	{key: "monitor", decode: duration(func(s *settings) *types.Duration { return &s.Rollout.Monitor })},
	{key: "onFailure", decode: text(func(s *settings) *string { return &s.Rollout.OnFailure }, oneOf(StopRollout, ContinueRollout)), aka: []string{"failureAction"}},
}

var pruneSchema = schema[settings]{
	{key: "maxFraction", decode: decodeMaxFraction},
}

// decodeVersion takes the one version of the layout that there is.
func decodeVersion(d *decoder, what string, n *yaml.Node, _ *settings) {
	if s, ok := d.scalar(what, n); ok && s != "1" {
		d.bad(resolve(n), "write 1, or use a newer gitsync", "%s %s of the layout is not known to this gitsync", what, quoted(s))
	}
}

func decodeRollout(d *decoder, what string, n *yaml.Node, s *settings) {
	s.Rollout = &Rollout{OnFailure: StopRollout}
	rolloutSchema.decode(d, what, n, s)
}

// decodeCanary takes a list of hosts, or how many.
func decodeCanary(d *decoder, what string, n *yaml.Node, s *settings) {
	if resolve(n).Kind != yaml.SequenceNode {
		if count, ok := d.integer(what, n, MaxHosts); ok {
			s.Rollout.CanaryCount = count
		}
		return
	}
	for _, item := range resolve(n).Content {
		if name, ok := d.scalar("an item of "+what, item); ok {
			s.Rollout.Canary = append(s.Rollout.Canary, name)
			s.canaryAt = append(s.canaryAt, d.at(resolve(item)))
		}
	}
}

// decodePrune takes {maxFraction: 0.5}, or allow for no limit.
func decodePrune(d *decoder, what string, n *yaml.Node, s *settings) {
	if n := resolve(n); n.Kind == yaml.ScalarNode {
		if check(oneOf("allow")).run(d, what, n, n.Value) {
			s.PruneLimit = 0
		}
		return
	}
	pruneSchema.decode(d, what, n, s)
}

func decodeMaxFraction(d *decoder, what string, n *yaml.Node, s *settings) {
	text, ok := d.scalar(what, n)
	if !ok {
		return
	}
	limit, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(limit) || limit <= 0 || limit > 1 {
		d.bad(resolve(n), "write for example 0.5", "%s must be a number above 0 and up to 1, not %s", what, quoted(text))
		return
	}
	s.PruneLimit = limit
}

// loadSettings reads gitsync.yaml, which may be missing. hosts are the names that
// there are.
func loadSettings(w *work, fsys fs.FS, hosts []string) (Settings, Mistakes, error) {
	s := settings{Settings: Settings{PruneLimit: DefaultPruneLimit}}
	dir := newDirectory(fsys, ".")
	d := &decoder{file: settingsFile, work: w}
	data, err := readYAML(dir, d, settingsFile, false)
	var u *unusable
	if errors.As(err, &u) {
		return s.Settings, Mistakes{{File: settingsFile, Message: u.message, Hint: u.hint}}, nil
	}
	if err != nil {
		return s.Settings, nil, err
	}
	if root, ok := d.parse(data); ok && root != nil {
		settingsSchema.decodePairs(d, "", d.pairs("the file", root), &s)
	}
	there := make(map[string]bool, len(hosts))
	for _, name := range hosts {
		there[name] = true
	}
	for i, at := range s.canaryAt {
		if name := s.Rollout.Canary[i]; !there[name] {
			g := d.guess(name, hosts, func(best string) string { return fmt.Sprintf("did you mean %q?", best) })
			d.unknown(at, g, "write the name of a directory in hosts/", "rollout.canary: there is no host %s", quoted(name))
		}
	}
	if other := similarSettings(dir); other != "" {
		d.mistakes = append(d.mistakes, Mistake{File: other, Message: "nothing reads this file", Hint: "did you mean " + settingsFile + "?"})
	}
	return s.Settings, d.mistakes.tidy(), nil
}

// similarSettings returns a file that is most likely meant to be gitsync.yaml.
func similarSettings(dir *directory) string {
	for _, entry := range dir.listings["."] {
		name := strings.ToLower(entry.Name())
		if entry.Name() != settingsFile && (name == "gitsync.yml" || name == settingsFile) {
			return printable(entry.Name())
		}
	}
	return ""
}
