package layout

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
)

// updateSchema lists the keys of update.
var updateSchema = schema[container.Update]{
	{key: "order", decode: text(func(u *container.Update) *string { return &u.Order }, oneOf(container.StopFirst, container.StartFirst))},
	{key: "monitor", decode: duration(func(u *container.Update) *types.Duration { return &u.Monitor })},
	{key: "timeout", decode: duration(func(u *container.Update) *types.Duration { return &u.Timeout })},
	{key: "failureAction", decode: text(func(u *container.Update) *string { return &u.FailureAction }, oneOf(container.Rollback, container.Pause, container.Continue)), aka: []string{"failure_action", "onFailure"}},
}

func decodeUpdate(d *decoder, what string, n *yaml.Node, e *entry) {
	e.update = &container.Update{}
	e.updateAt = d.at(resolve(n))
	updateSchema.decode(d, what, n, e.update)
}

// oneOf checks one of the given words.
func oneOf(words ...string) check {
	return func(word string) (problem, hint string) {
		if slices.Contains(words, word) {
			return "", ""
		}
		if best := nearest(word, words); best != "" {
			return "is not one of " + strings.Join(words, ", "), fmt.Sprintf("did you mean %q?", best)
		}
		return "is not one of " + strings.Join(words, ", "), ""
	}
}

// dependency is an entry of dependsOn.
type dependency struct {
	on        string
	condition container.Condition
	at        position
}

// decodeDependsOn takes a list of containers, which must have started, or a mapping
// that says what is waited for.
func decodeDependsOn(d *decoder, what string, n *yaml.Node, e *entry) {
	add := func(on string, condition container.Condition, at *yaml.Node) {
		if i := slices.IndexFunc(e.dependsOn, func(other dependency) bool { return other.on == on }); i >= 0 {
			d.bad(at, "remove one of them", "%s %s is already there in line %d", what, quoted(on), e.dependsOn[i].at.line)
			return
		}
		e.dependsOn = append(e.dependsOn, dependency{on, condition, d.at(at)})
	}
	if n = resolve(n); n.Kind == yaml.SequenceNode {
		for _, item := range n.Content {
			if name, ok := d.scalar("an item of "+what, item); ok {
				add(name, container.Started, resolve(item))
			}
		}
		return
	}
	conditions := check(oneOf(string(container.Started), string(container.Healthy), string(container.Completed)))
	for _, p := range d.pairs(what, n) {
		if condition, ok := d.text(what+"."+p.key.Value, p.value); ok && conditions.run(d, what+"."+p.key.Value, p.value, condition) {
			add(p.key.Value, container.Condition(condition), p.key)
		}
	}
}

// onChangeSchema is the form of onChange that sends a signal.
var onChangeSchema = schema[configFile]{
	{key: "signal", decode: text(func(f *configFile) *string { return &f.attributes.OnChange }, signalName)},
}

// decodeOnChange takes a word, or {signal: SIGHUP}.
func decodeOnChange(d *decoder, what string, n *yaml.Node, f *configFile) {
	if resolve(n).Kind == yaml.MappingNode {
		onChangeSchema.decode(d, what, n, f)
		return
	}
	s, ok := d.text(what, n)
	if !ok {
		return
	}
	if problem, _ := signalName(s); problem == "" {
		d.bad(resolve(n), fmt.Sprintf("write {signal: %s}", s), "%s %s is a signal", what, quoted(s))
		return
	}
	if check(oneOf(container.OnChangeRestart, container.OnChangeRecreate, container.OnChangeNone)).run(d, what, n, s) {
		f.attributes.OnChange = s
	}
}

// signals are those that programs are told by.
var signals = []string{"SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGTERM", "SIGWINCH"}

func signalName(name string) (problem, hint string) {
	if slices.Contains(signals, name) {
		return "", ""
	}
	if best := nearest("SIG"+strings.TrimPrefix(strings.ToUpper(name), "SIG"), signals); best != "" {
		return "is no signal that a program reloads by", fmt.Sprintf("did you mean %s?", best)
	}
	return "is no signal that a program reloads by", "write one of " + strings.Join(signals, ", ")
}

// checkUpdate looks for what is wrong between the keys that say how a container is
// updated.
func checkUpdate(d *decoder, what string, e *entry) {
	if e.oneShot || e.preDeploy {
		switch e.config.Restart {
		case "":
			e.config.Restart = "no"
		case "no":
		default:
			d.badAt(e.at, `write restart: "no", or leave it out`, "%s is a one-shot, and restart %s would never let it end", what, e.config.Restart)
		}
	}
	u := e.update
	if u == nil {
		return
	}
	if u.Order == container.StartFirst {
		why, hint := "", "write order: stop-first"
		switch {
		case len(e.config.Ports) > 0:
			why = "publishes host port " + portText(e.config.Ports[0]) + ", which old and new cannot both have"
			hint = "write order: stop-first, or put a proxy that is on the same network before it"
		case e.config.NetworkMode == "host", strings.HasPrefix(e.config.NetworkMode, "container:"):
			why = "has networkMode " + e.config.NetworkMode + ", so that old and new would have one address"
		case e.oneShot, e.preDeploy:
			why = "is a one-shot, which has no old one that serves"
		}
		if why != "" {
			d.badAt(e.updateAt, hint, "%s cannot be updated start-first: it %s", what, why)
		}
	}
	monitor := u.Monitor
	if monitor == 0 {
		monitor = types.Duration(container.DefaultMonitor)
	}
	if u.Timeout > 0 && u.Timeout < monitor && e.config.Healthcheck == nil {
		d.badAt(e.updateAt, "make timeout longer, or monitor shorter", "%s could never be ready: update.timeout %s is shorter than update.monitor %s", what, u.Timeout, monitor)
	}
}

// checkOrder looks for dependencies that cannot be met.
func (l *loaded) checkOrder(d *decoder) {
	byName := map[string]*entry{}
	var names []string
	for _, e := range l.entries {
		byName[e.config.Name] = e
		names = append(names, e.config.Name)
	}
	needed := map[string]bool{}
	for _, e := range l.entries {
		for _, dep := range e.dependsOn {
			needed[dep.on] = true
			owner := byName[dep.on]
			switch {
			case owner == nil:
				g := d.guess(dep.on, names, func(best string) string { return fmt.Sprintf("did you mean %q?", best) })
				d.unknown(dep.at, g, "it must be on the same host", "dependsOn: there is no container %s", quoted(dep.on))
			case dep.condition == container.Completed && !owner.oneShot && !owner.preDeploy:
				d.badAt(dep.at, "write healthy, or oneShot: true for "+dep.on, "dependsOn: container %s is no one-shot, and is never completed", quoted(dep.on))
			}
		}
	}
	for _, e := range l.entries {
		if e.preDeploy && !needed[e.config.Name] {
			d.badAt(e.at, "write dependsOn: {"+e.config.Name+": completed} for those that it runs before, or oneShot: true", "container %s is preDeploy, and no container depends on it", quoted(e.config.Name))
		}
	}
	state := container.ContainersState{}
	for _, e := range l.entries {
		state[e.config.Name] = l.container(e)
	}
	if cycle := state.Cycle(); cycle != nil {
		d.badAt(byName[cycle[0]].at, "remove one of the dependencies", "the containers %s wait for each other", strings.Join(cycle, " → "))
	}
}
