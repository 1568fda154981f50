package container_test

import (
	"fmt"
	"testing"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
)

// planned is a machine of so many containers, each with so many ports and a volume of its
// own. With a new tag each of them is to be replaced.
func planned(containers, ports int, tag string) (desired, previous container.ContainersState, current container.Current) {
	desired, previous = container.ContainersState{}, container.ContainersState{}
	var rows []*types.ContainerSummary
	for i := range containers {
		one := func(ref string) *container.HostConfiguredContainer {
			m := spec(fmt.Sprintf("app%05d", i), image(ref), volume(fmt.Sprintf("data%d", i), "/data"))
			for p := range ports {
				m.Container.Config.Ports = append(m.Container.Config.Ports, types.PortMap{Port: p + 1, HostPort: i*ports + p + 1})
			}
			return m
		}
		was := deployed(one("nginx:1"))
		found := row(was)
		found.Ports = append(found.Ports, was.Container.Config.Ports...)
		rows = append(rows, found)
		desired[was.Container.Config.Name], previous[was.Container.Config.Name] = one(tag), was
	}
	return desired, previous, found(rows...)
}

// BenchmarkPlan compares a thousand containers with twenty ports each, as they are (the
// floor), and when a commit changes all of them; and five thousand of which one changes.
func BenchmarkPlan(b *testing.B) {
	run := func(name string, containers, ports int, tag string, change func(container.ContainersState), changes int) {
		b.Run(name, func(b *testing.B) {
			desired, previous, current := planned(containers, ports, tag)
			change(desired)
			b.ReportAllocs()
			for b.Loop() {
				if plan := container.MakePlan("web1", desired, previous, current, container.PlanOptions{}); len(plan.Changes) != changes {
					b.Fatalf("got %d changes, want %d", len(plan.Changes), changes)
				}
			}
		})
	}
	none := func(container.ContainersState) {}
	run("1000 unchanged", 1000, 20, "nginx:1", none, 0)
	run("1000 changed", 1000, 20, "nginx:2", none, 1000)
	run("1 of 5000 changed", 5000, 4, "nginx:1", func(s container.ContainersState) { image("nginx:2")(s["app00042"]) }, 1)
	run("5000 changed", 5000, 4, "nginx:2", none, 5000)
}
