package layout_test

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gitsync/gitsync/layout"
)

// times repeats a text with numbers in it.
func times(count int, format string) string {
	var b strings.Builder
	for i := range count {
		fmt.Fprintf(&b, strings.ReplaceAll(format, "%d", "%[1]d"), i)
	}
	return b.String()
}

// worst are inputs that ask for as much work as they can, small as they are.
var worst = map[string]func() map[string]string{
	"all ports again and again": func() map[string]string {
		return map[string]string{"hosts/a/containers.yaml": "containers:\n" + times(10000, "  app%d: {image: x, ports: [1-65535]}\n")}
	},
	"the ports that are allowed": func() map[string]string {
		return map[string]string{"hosts/a/containers.yaml": "containers:\n" + times(10000, "  app%d: {image: x, ports: [\"%d:1\",\"1%d:1\"]}\n")}
	},
	"unknown keys": func() map[string]string {
		return map[string]string{"hosts/a/containers.yaml": "containers:\n  web:\n    image: x\n" + times(60000, "    imag%d: 1\n")}
	},
	"names like those of ten thousand containers": func() map[string]string {
		return map[string]string{"hosts/a/containers.yaml": "containers:\n" + times(10000, "  a-long-name-of-a-container-%d: {image: x, dependsOn: [a-long-name-of-a-contaner-%d]}\n")}
	},
	"names like those of a thousand secrets": func() map[string]string {
		return map[string]string{"hosts/a/containers.yaml": "containers:\n  web:\n    image: x\n    env:\n" + times(30000, "      A%d: ${secret.a_name_%d}\n")}
	},
	"names like those of ten thousand groups": func() map[string]string {
		files := map[string]string{"gitsync.yaml": "rollout: {canary: [" + times(20000, "a-long-name-of-a-hots-%d,") + "]}"}
		for i := range 2000 {
			files[fmt.Sprintf("hosts/a-long-name-of-a-host-%d/containers.yaml", i)] = "containers: {}"
		}
		return files
	},
	"a long text with many names": func() map[string]string {
		return map[string]string{"hosts/a/containers.yaml": "x-a: &a " + strings.Repeat("x", 500_000) + "\ncontainers: {web: {image: x, env: [" + strings.Repeat("*a,", 100_000) + "]}}"}
	},
	"one text with all variables": func() map[string]string {
		return map[string]string{
			"hosts/a/host.yaml":       "vars: {" + times(60000, "v%d: ,") + "}",
			"hosts/a/containers.yaml": "containers: {web: {image: x, args: [\"" + times(60000, "${vars.v%d}") + "\"]}}",
		}
	},
	"an error at the end of many lines": func() map[string]string {
		return map[string]string{"hosts/a/containers.yaml": "containers:\n" + times(30000, "  app%d: {image: x}\n") + "  web: [\n"}
	},
	"deep paths": func() map[string]string {
		return map[string]string{"hosts/a/containers.yaml": "containers: {web: {image: x, configFiles: {\n" + times(500, strings.Repeat("/a", 1000)+"%d: x,\n") + "}}}"}
	},
	"paths that are as deep as allowed": func() map[string]string {
		return map[string]string{"hosts/a/containers.yaml": "containers: {web: {image: x, configFiles: {\n" + times(5000, strings.Repeat("/a", 60)+"%d: x,\n") + "}}}"}
	},
	"groups that are merged one by one": func() map[string]string {
		files := map[string]string{
			"groups/g0/containers.yaml": "containers: {web: {image: x, env: {" + times(60000, "A%d: x,") + "}}}",
			"hosts/a/containers.yaml":   "containers: {}", "hosts/a/host.yaml": "groups: [" + times(100, "g%d,") + "]",
		}
		for i := range 99 {
			files[fmt.Sprintf("groups/g%d/containers.yaml", i+1)] = fmt.Sprintf("containers: {web: {env: {B%d: x}}}", i)
		}
		return files
	},
	"groups of many hosts": func() map[string]string {
		files := map[string]string{}
		for i := range 100 {
			files[fmt.Sprintf("groups/g%d/containers.yaml", i)] = fmt.Sprintf("containers: {web%d: {image: x, imag: y}}", i)
		}
		for i := range 400 {
			files[fmt.Sprintf("hosts/h%d/host.yaml", i)] = "groups: [" + times(100, "g%d,") + "]"
		}
		return files
	},
	"values that are allowed": func() map[string]string {
		return map[string]string{"hosts/a/containers.yaml": "containers: {web: {image: x, args: [" + strings.Repeat("a,", 490_000) + "]}}"}
	},
	"containers that are allowed": func() map[string]string {
		return map[string]string{"hosts/a/containers.yaml": "x-a: &a {image: x, restart: always, memory: 8m, cpus: 1, user: a, workdir: /a, env: {A: b, B: c}, labels: {a: b}}\ncontainers: {" + times(10_000, "app%d: *a,") + "}"}
	},
	"values of many hosts": func() map[string]string {
		files := map[string]string{"groups/g/containers.yaml": "containers: {web: {image: x, args: [" + strings.Repeat("a,", 10_000) + "]}}"}
		for i := range 90 {
			files[fmt.Sprintf("hosts/h%d/host.yaml", i)] = fmt.Sprintf("groups: [g]\nssh: {address: h%d, user: a}", i)
		}
		return files
	},
}

// BenchmarkWorst shows the seconds of CPU that such an input takes, whoever else works on the
// machine.
func BenchmarkWorst(b *testing.B) {
	cpu := func() float64 {
		var usage syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
			b.Fatal(err)
		}
		return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
	}
	for name, files := range worst {
		fsys := tree(files())
		b.Run(name, func(b *testing.B) {
			before := cpu()
			for b.Loop() {
				_, _ = layout.NewLoader().Load(context.Background(), fsys, layout.Options{})
			}
			b.ReportMetric((cpu()-before)/float64(b.N), "cpu-s/op")
		})
	}
}
