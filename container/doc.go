// Package container deploys containers to hosts: it compares what should run
// with what does, makes a plan, and carries the plan out.
//
// # Use
//
//	c := &container.Containers{PreviousState: previous, DesiredState: desired}
//	d, err := c.Deployment()         // validates, reports all mistakes at once
//	err = d.CheckCurrentStateContext(ctx)
//	fmt.Print(d.Plan())              // what Deploy would do, and why
//	err = d.DeployContext(ctx)
//	yaml, err := d.StateToYaml()     // what FromYaml restores the next time
//
// # How it works
//
// One look at each machine ([Current]) is a single list of its containers, and
// the config files read back where asked for. [MakePlan] is a pure function of
// desired, previous and current state: it decides, container by container, and
// names the cause of each change. The plan is a list of units; a unit is a list
// of steps, each of which is one call to the runtime, or a wait until a container
// is ready. The executor walks the steps and decides nothing; when a step fails it
// undoes the unit's steps in reverse. Units that need nothing of each other are
// carried out at the same time.
//
// # Guarantees
//
//   - Images are pulled, and new containers created, before the container that
//     they replace is stopped. If the new one does not become ready, the old one,
//     and its config files, come back.
//   - Killed between any two calls, the next deploy finishes or undoes what was
//     begun, by what it finds: there is no journal (recover.go).
//   - A container that carries no label of ours, and whose ID we did not record,
//     is never touched; neither is a file that we did not write.
//   - A machine that cannot be reached is left alone, and what was recorded of it
//     is kept. Machines are worked on in parallel and do not wait for each other.
//   - The state is right after a failure too: it holds what was done so far.
//
// Not guaranteed: an order between containers, beyond DependsOn, shared namespaces,
// and ports and names that are handed over; that a ready container stays up.
package container
