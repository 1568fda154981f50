package layout_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/layout"
)

// fleet makes a repo of so many hosts, each with ten containers and a config file,
// on machines of their own.
func fleet(hosts int) *counting {
	var containers strings.Builder
	containers.WriteString("containers:\n")
	for i := range 10 {
		fmt.Fprintf(&containers, `  app%d:
    image: registry.example.com/team/app%d:1.%d
    ports: ["%d:80"]
    env: {TZ: Europe/Berlin, LEVEL: info}
    mounts: ["data%d:/data", "/etc/app.conf:/etc/app.conf:ro"]
    healthcheck: {test: [CMD, /probe], interval: 5s}
    configFiles: {/etc/app.conf: {file: files/app.conf, mode: "0644"}}
`, i, i, i, 8000+i, i)
	}
	files, hashes := map[string]string{}, map[string]string{}
	for i := range hosts {
		dir := fmt.Sprintf("hosts/h%04d", i)
		files[dir+"/containers.yaml"] = containers.String()
		files[dir+"/host.yaml"] = fmt.Sprintf("ssh: {address: h%d.example.com, user: deploy}\n", i)
		files[dir+"/files/app.conf"] = "listen 80\n"
		hashes[dir] = fmt.Sprint(i)
	}
	return &counting{FS: tree(files), hashes: hashes}
}

// BenchmarkLoad loads 1,000 hosts with 10,000 containers: all of them for the
// first time, and again after one host changed.
func BenchmarkLoad(b *testing.B) {
	const hosts = 1000
	fsys := fleet(hosts)
	check := func(b *testing.B, loader *layout.Loader) {
		repo, err := loader.Load(context.Background(), fsys, layout.Options{})
		if err != nil || len(repo.Hosts) != hosts {
			b.Fatalf("got %d hosts, %v and %v", len(repo.Hosts), repo.Mistakes(), err)
		}
	}
	b.Run("first", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			check(b, layout.NewLoader())
		}
	})
	b.Run("one host changed", func(b *testing.B) {
		b.ReportAllocs()
		loader := layout.NewLoader()
		check(b, loader)
		for i := 0; b.Loop(); i++ {
			fsys.hashes["hosts/h0500"] = fmt.Sprint("changed ", i)
			check(b, loader)
		}
	})
}
