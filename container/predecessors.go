package container

// keepPredecessors holds the removal of a container back as long as the new one that gets
// what it has cannot be created.
func keepPredecessors(decisions []*decision) {
	waiting := waitingOf(decisions)
	if len(waiting.all) == 0 {
		return
	}
	moved := soleUsers(decisions)
	for _, giver := range decisions {
		if giver.kind != Remove {
			continue
		}
		if taker := waiting.first(giver, moved); taker != nil {
			giver.kind, giver.recovery = Hold, nil
			giver.causes = append(giver.causes, cause("", "it is kept until %s, which gets what it has, can be created", taker.key))
		}
	}
}

// waiting holds the containers that do not exist, and cannot be created now, by what they
// want.
type waiting struct {
	all       map[*decision]bool
	names     lots
	ports     portIndex
	withPorts lot
}

func waitingOf(decisions []*decision) *waiting {
	w := &waiting{all: map[*decision]bool{}, names: lots{}, ports: portIndex{}}
	for _, d := range decisions {
		if d.kind != Hold && d.kind != Blocked || d.main != nil || d.desired == nil {
			continue
		}
		w.all[d] = true
		config := d.desired.Container.Config
		w.names.add(config.Name, d)
		if len(config.Ports) > 0 {
			w.withPorts.members = append(w.withPorts.members, d)
		}
		for _, p := range config.Ports {
			w.ports.add(p, d)
		}
	}
	return w
}

// first returns the first one by its key that gets something from the giver; nil when none
// does.
func (w *waiting) first(giver *decision, moved moves) *decision {
	var found *decision
	consider := func(d *decision) {
		if d != nil && w.all[d] && (found == nil || d.key < found.key) {
			found = d
		}
	}
	out := giver.outgoing()
	if out == nil {
		return nil
	}
	consider(w.names[baseName(out.Name)].other(giver))
	held, known := giver.heldPorts(out)
	if !known {
		consider(w.withPorts.other(giver))
	}
	for _, p := range held {
		for _, l := range w.ports.conflicting(p) {
			consider(l.other(giver))
		}
	}
	for _, taker := range moved.from(giver) {
		consider(taker)
	}
	return found
}
