package e2e_test

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"strings"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/internal/gittest"
)

// strangerConfig is a container that gitsync did not create.
func strangerConfig(name, image string) *types.ContainerConfig {
	return &types.ContainerConfig{Name: name, Image: image, StopTimeout: 1}
}

// hostileHost is a host of a commit that has many, each with an attack of its own.
type hostileHost struct {
	// files are those of its directory; CONTAINER stands for the name of its container.
	files map[string]string
	// want is what is said of it; the host's directory is said besides.
	want string
	// strict says that the default profile allows it.
	strict bool
	// docker says that it takes an engine.
	docker bool
}

// asks is a host whose container has these settings.
func asks(settings, want string) hostileHost {
	return hostileHost{files: map[string]string{"containers.yaml": "containers:\n  CONTAINER: {image: nginx, " + settings + "}\n"}, want: want}
}

// hostileHosts are hosts of which none validates, by name.
func hostileHosts() map[string]hostileHost {
	laughs := "a0: &a0 [lol,lol,lol,lol,lol,lol,lol,lol,lol]\n"
	for i := 1; i < 10; i++ {
		laughs += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 9), ","))
	}
	return map[string]hostileHost{
		"evil-privileged":   asks("privileged: true", "rule privileged"),
		"evil-processes":    asks("pidMode: host", "rule pidMode.deny"),
		"evil-stranger":     asks(`networkMode: "container:stranger"`, "rule networkMode.deny"),
		"evil-capability":   asks("capAdd: [SYS_ADMIN]", "rule capAdd.deny"),
		"evil-root":         asks(`mounts: ["/:/host"]`, "rule mounts.deny"),
		"evil-root-detour":  asks(`mounts: ["/srv/../:/host:ro"]`, "rule mounts.deny"),
		"evil-socket":       asks(`mounts: ["/var/run/docker.sock:/s"]`, "rule mounts.deny"),
		"evil-cron":         asks(`configFiles: {/etc/cron.d/CONTAINER: "* * * * * root id"}`, "rule configFiles.deny"),
		"evil-preload":      asks(`configFiles: {/etc/CONTAINER.preload: x}`, "rule configFiles.deny"),
		"evil-link-parent":  asks(`mounts: ["/srv/CONTAINER:/data"], configFiles: {/srv/CONTAINER/sub/x: x}`, "/srv/CONTAINER/sub/x"),
		"evil-out":          asks("configFiles: {/srv/x: {file: ../../web1/secrets.yaml}}", "leads out of the host's directory"),
		"evil-label":        {files: map[string]string{"containers.yaml": "containers: {CONTAINER: {image: nginx, labels: {x: \"${secret.password}\"}}}\n"}, want: "secret"},
		"evil-escape":       asks(`env: {"A\e[2J\u202e": x}`, "containers.yaml:"),
		"evil-clear":        {files: map[string]string{"containers.yaml": "containers: {}\n", "secrets.yaml": "password: clear\n"}, want: "secrets.yaml"},
		"evil-engine":       {files: map[string]string{"containers.yaml": "containers: {CONTAINER: {image: nginx}}\n", "host.yaml": "docker: {host: \"tcp://192.0.2.1:2375\"}\n"}, want: "tcp://192.0.2.1:2375", docker: true},
		"evil-laughs":       {files: map[string]string{"containers.yaml": laughs + "containers: *a9\n"}, want: "aliases expanded"},
		"evil-depth":        {files: map[string]string{"containers.yaml": "containers: " + strings.Repeat("[", 100_000)}, want: "containers.yaml:"},
		"evil-ports":        asks("ports: [1-65535, '1-65535:1-65535/udp']", "more than"),
		"evil-nested":       {files: map[string]string{"containers.yaml": "containers:\n  CONTAINER: {image: nginx, mounts: [\"/srv/CONTAINER:/data\"]}\n  CONTAINER-below: {image: nginx, mounts: [\"/srv/CONTAINER/media:/media\"]}\n"}, want: "nestedMounts", strict: true},
		"evil-host-network": {files: map[string]string{"containers.yaml": "containers: {CONTAINER: {image: nginx, networkMode: host}}\n"}, want: "rule networkMode", strict: true},
	}
}

// hostileFiles are the files of a commit with the hostile hosts that are not allowed, and what
// is said of them. Their containers are called as the hosts are, with a prefix.
func hostileFiles(prefix string, strict, docker bool) (files map[string]string, want []string) {
	files = map[string]string{}
	for name, h := range hostileHosts() {
		if h.strict && !strict || h.docker && !docker {
			continue
		}
		for path, content := range h.files {
			files["hosts/"+prefix+name+"/"+path] = strings.ReplaceAll(content, "CONTAINER", prefix+name)
		}
		want = append(want, "hosts/"+prefix+name+"/", strings.ReplaceAll(h.want, "CONTAINER", prefix+name))
	}
	return files, want
}

// treeAttacks are commits to main that must change nothing.
func treeAttacks() []corpusAttack {
	all, said := hostileFiles("", false, false)
	strict, saidByStrict := hostileFiles("", true, false)
	return []corpusAttack{
		{name: "many hostile hosts", make: func(a *attack) { a.repo.Commit("main", all, "attack") }, want: said, profile: "default"},
		{name: "many hostile hosts", make: func(a *attack) { a.repo.Commit("main", strict, "attack") }, want: saidByStrict, profile: "strict"},
		{name: "a host twice", make: func(a *attack) {
			a.hosts(gittest.TreeEntry{Mode: "40000", Name: "web1", Hash: dir(a, gittest.TreeEntry{Mode: "100644", Name: "containers.yaml", Hash: a.blob("containers: {}\n")})})
		}, want: []string{"twice"}},
		{name: "a host that is a link", make: func(a *attack) { a.repo.Symlink("main", "hosts/web2", "web1") }, want: []string{"symbolic link"}},
		{name: "a host that is a submodule", make: named("160000", "web2"), want: []string{"submodule"}},
		{name: "a config file that is a link", make: func(a *attack) {
			files(map[string]string{"containers.yaml": configFile("files/x")})(a)
			a.repo.Symlink("main", "hosts/web1/files/x", "/etc/shadow")
		}, want: []string{"symbolic link"}},
		{name: "hosts that are gone", make: func(a *attack) { a.tree() }, want: []string{"nothing is changed"}},
		{name: "a host's name that steers a terminal", make: named("40000", "web\x1b[2J\u202e2")},
		{name: "a tree of trees of trees", make: treeOfTrees, want: []string{"hosts/web2"}},
		{name: "300 levels of directories", make: levels, want: []string{"nested more than 256 deep"}},
		{name: "12 files of 125 MB", make: zeros, want: []string{"more than the limit"}},
		{name: "12 files of 125 MB that nobody signed", make: zeros, want: []string{"more than the limit"}, unsigned: true},
		{name: "many hostile hosts that nobody signed", make: func(a *attack) { a.repo.Commit("main", all, "attack") }, want: said, unsigned: true},
		{name: "ports by the million", make: files(map[string]string{"containers.yaml": manyPorts()}), want: []string{"more than"}},
		{name: "a hundred thousand hosts", make: manyHosts(100_000), want: []string{"more than the limit of 10000"}},
		{name: "a million hosts", make: manyHosts(1_000_000), long: true},
		{name: "a hundred million containers by one group", make: func(a *attack) {
			var b strings.Builder
			b.WriteString("containers:\n")
			for i := range 9_999 {
				fmt.Fprintf(&b, "  c%d: {image: x}\n", i)
			}
			a.repo.Commit("main", map[string]string{"groups/g/containers.yaml": b.String(), "hosts/web1/host.yaml": "groups: [g]\n"}, "attack")
			copies(a)
			// As many containers as a repo may have are loaded before there is one too many.
		}, want: []string{"more than 50000 containers"}, long: true, memory: 400 << 20},
		{name: "a gitsync.yaml that is a bomb", make: func(a *attack) {
			a.repo.Commit("main", map[string]string{"gitsync.yaml": "a: &a [" + strings.Repeat("x,", 1000) + "]\nb: &b [" + strings.Repeat("*a,", 1000) + "]\nrollout: [" + strings.Repeat("*b,", 1000) + "]\n"}, "attack")
		}, want: []string{"gitsync.yaml"}},
	}
}

func manyPorts() string {
	var b strings.Builder
	b.WriteString("containers:\n")
	for i := range 100 {
		fmt.Fprintf(&b, "  c%d: {image: x, ports: [1-65535]}\n", i)
	}
	return b.String()
}

func manyHosts(n int) func(a *attack) {
	return func(a *attack) {
		host := a.repo.HashOf(a.base, "hosts/web1")
		entries := make([]gittest.TreeEntry, n)
		for i := range entries {
			entries[i] = gittest.TreeEntry{Mode: "40000", Name: fmt.Sprintf("host%07d", i), Hash: host}
		}
		a.hosts(entries...)
	}
}

func treeOfTrees(a *attack) {
	level := a.repo.HashOf(a.base, "hosts/web1")
	for range 12 {
		var entries []gittest.TreeEntry
		for i := range 10 {
			entries = append(entries, gittest.TreeEntry{Mode: "40000", Name: fmt.Sprintf("d%d", i), Hash: level})
		}
		level = dir(a, entries...)
	}
	a.hosts(gittest.TreeEntry{Mode: "40000", Name: "web2", Hash: level})
}

func levels(a *attack) {
	level := a.repo.HashOf(a.base, "hosts/web1")
	for range 300 {
		level = dir(a, gittest.TreeEntry{Mode: "40000", Name: "d", Hash: level})
	}
	a.hosts(gittest.TreeEntry{Mode: "40000", Name: "web2", Hash: level})
}

// zeros has the good host's container ask for twelve files of 125 MB. They are one object.
func zeros(a *attack) {
	large := a.blob(strings.Repeat("\x00", 125<<20))
	list, entries := "", []gittest.TreeEntry{}
	for i := range 12 {
		list += fmt.Sprintf("      /srv/x%d: {file: files/z%02d}\n", i, i)
		entries = append(entries, gittest.TreeEntry{Mode: "100644", Name: fmt.Sprintf("z%02d", i), Hash: large})
	}
	containers := a.blob("containers:\n  web:\n    image: nginx\n    configFiles:\n" + list)
	host := dir(a, gittest.TreeEntry{Mode: "100644", Name: "containers.yaml", Hash: containers}, gittest.TreeEntry{Mode: "40000", Name: "files", Hash: dir(a, entries...)})
	a.tree(gittest.TreeEntry{Mode: "40000", Name: "hosts", Hash: dir(a, gittest.TreeEntry{Mode: "40000", Name: "web1", Hash: host})})
}

// stateAttacks are commits to the state branch, which must change nothing either.
func stateAttacks() []corpusAttack {
	entry := func(mode, name string, hash [20]byte) gittest.TreeEntry {
		return gittest.TreeEntry{Mode: mode, Name: name, Hash: hash}
	}
	record := func(a *attack, content string) [20]byte {
		return dir(a, entry("100644", "state.yaml", a.blob(content)))
	}
	hosts := func(a *attack, entries ...gittest.TreeEntry) { a.tree(entry("40000", "hosts", dir(a, entries...))) }
	attacks := []corpusAttack{
		{name: "hosts is a file", make: func(a *attack) { a.tree(entry("100644", "hosts", a.blob("x"))) }, want: []string{"the state branch cannot be read"}},
		{name: "a record's host twice", make: func(a *attack) {
			hosts(a, entry("40000", "web1", record(a, "previousState: {}\n")), entry("40000", "web1", record(a, "x")))
		}},
		{name: "300 levels in the state branch", make: levels},
		{name: "a record of 125 MB", make: func(a *attack) {
			hosts(a, entry("40000", "web1", record(a, strings.Repeat("\x00", 125<<20))))
		}},
		{name: "a record that the server does not have", make: func(a *attack) {
			hosts(a, entry("40000", "web1", dir(a, entry("100644", "state.yaml", [20]byte{1}))))
		}, damaged: true},
		{name: "a record that is a bomb", make: func(a *attack) {
			hosts(a, entry("40000", "web1", record(a, "a: &a ["+strings.Repeat("x,", 1000)+"]\nb: &b ["+strings.Repeat("*a,", 1000)+"]\npreviousState: ["+strings.Repeat("*b,", 1000)+"]\n")))
		}},
		{name: "a record that steers a terminal", make: func(a *attack) {
			hosts(a, entry("40000", "web1", record(a, "\"\\e[2J\u202e\": [x\x1b[2J\n")))
		}},
		{name: "suspensions that cannot be read", make: func(a *attack) {
			hosts(a, entry("40000", "web1", dir(a, entry("100644", "suspended.yaml", a.blob("suspended: {web: {since: x}}\n")))))
		}, want: []string{"suspended.yaml"}},
	}
	for i := range attacks {
		attacks[i].state = true
	}
	return attacks
}

// hostilePacks are answers of a server that claims a branch whose pack is a bomb.
func hostilePacks() map[string]gittest.Answers {
	content := make([]byte, 125<<20)
	sum := gittest.ObjectHash(gittest.BlobKind, content)
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	_, _ = w.Write(content)
	_ = w.Close()
	large := gittest.Entry{Kind: gittest.BlobKind, Size: int64(len(content)), Raw: packed.Bytes()}
	var many, deltas []gittest.Entry
	for range 12 {
		many = append(many, large)
		deltas = append(deltas, gittest.Entry{
			Kind: gittest.RefDelta, Size: -1, Base: sum[:],
			Content: gittest.Delta(125<<20, 7*(1<<24-1), bytes.Repeat([]byte{0xf0, 0xff, 0xff, 0xff}, 7)...),
		})
	}
	tree := gittest.MakeTree(gittest.TreeEntry{Mode: "100644", Name: "x", Hash: sum})
	commit := gittest.MakeCommit(gittest.ObjectHash(gittest.TreeKind, tree), "attack")
	tip := fmt.Sprintf("%x", gittest.ObjectHash(gittest.CommitKind, commit))
	out := map[string]gittest.Answers{}
	for name, bomb := range map[string][]gittest.Entry{"a pack of zeros": many, "a pack of deltas on a large base": append(deltas, large)} {
		pack := gittest.MakePack(-1, append(bomb, gittest.Whole(gittest.TreeKind, tree), gittest.Whole(gittest.CommitKind, commit))...)
		out[name] = gittest.Answers{
			Advertisement: gittest.Says(gittest.Advertise(tip + " refs/heads/main")),
			Pack:          gittest.Says(gittest.Shallow(tip, pack)),
		}
	}
	return out
}
