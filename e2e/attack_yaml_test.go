package e2e_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/gitsync/gitsync/internal/gittest"
)

// second makes the good host one with another container, of this name in YAML.
func second(name string) func(a *attack) {
	return yaml(goodContainers + "  " + name + ": {image: nginx}\n")
}

func TestANameThatIsNoneIsRefused(t *testing.T) {
	attacks := map[string]repoAttack{}
	for what, name := range map[string]string{
		"two dots": `".."`, "a slash": `"a/b"`, "a path": `"../../etc"`, "an escape sequence": `"web\e[2J"`, "a C1 escape": `"web\u009b2J"`,
		"turned text": `"web\u202egpj"`, "an option": `"--privileged"`, "other letters": `"w\u0435b"`, "a line break": `"a\nb"`,
		"a NUL": `"a\0b"`, "nothing": `""`, "no end": `"` + strings.Repeat("a", 5000) + `"`, "a space": `"a b"`, "a number": "1",
	} {
		attacks[what] = repoAttack{second(name), "containers.yaml:3"}
	}
	delete(attacks, "a number")
	attacks["the same name twice"] = repoAttack{second("web"), "already set"}
	attacks["an image that is a path"] = repoAttack{yaml("containers: {web: {image: ../containers/json}}"), "image"}
	attacks["an image with an escape"] = repoAttack{yaml(`containers: {web: {image: "nginx\e[2J"}}`), "image"}
	each(t, attacks)
}

func TestABombInYAMLIsRefused(t *testing.T) {
	var laughs strings.Builder
	laughs.WriteString("a0: &a0 [lol,lol,lol,lol,lol,lol,lol,lol,lol]\n")
	for i := 1; i < 10; i++ {
		fmt.Fprintf(&laughs, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 9), ","))
	}
	merges := "x0: &x0 {a: 1}\n"
	for i := 1; i < 2000; i++ {
		merges += fmt.Sprintf("x%d: &x%d {<<: *x%d}\n", i, i, i-1)
	}
	wide := utf16.Encode([]rune("\ufeffcontainers: {}\n"))
	var utf16LE strings.Builder
	for _, unit := range wide {
		utf16LE.Write([]byte{byte(unit), byte(unit >> 8)})
	}
	env := func(value string) string {
		return "containers: {web: {image: nginx, env: {A: " + value + "}}}\n"
	}
	each(t, map[string]repoAttack{
		"a billion laughs":           {yaml(laughs.String() + "containers: *a9\n"), "aliases expanded"},
		"an alias of itself":         {yaml("containers: &a [*a]\n"), "contains itself"},
		"merges of merges":           {yaml(merges + goodContainers), "containers.yaml:"},
		"depth":                      {yaml("containers: " + strings.Repeat("[", 100_000)), "containers.yaml:"},
		"depth in blocks":            {yaml(strings.Repeat("- ", 100_000) + "x"), "containers.yaml:"},
		"depth in mappings":          {yaml("containers: " + strings.Repeat("{a: ", 200_000)), "containers.yaml:"},
		"half a million values":      {yaml(env("[" + strings.Repeat("a,", 510_000) + "]")), "more than"},
		"keys that are mappings":     {yaml("containers: {? {a: b} : {image: x}}\n"), "containers.yaml:1"},
		"a text without end":         {yaml(env(`"` + strings.Repeat("x", 900_000))), "containers.yaml:1"},
		"a file of 100 MB":           {yaml("#" + strings.Repeat("x", 100<<20)), "more than the limit"},
		"a config file of 100 MB":    {files(map[string]string{"containers.yaml": configFile("files/x"), "files/x": strings.Repeat("x", 100<<20)}), "more than the limit"},
		"a NUL":                      {yaml("containers: {}\x00"), "control character"},
		"what is not UTF-8":          {yaml("containers: {a\xff: {image: x}}"), "not UTF-8"},
		"UTF-16":                     {yaml(utf16LE.String()), "not UTF-8"},
		"two documents":              {yaml("containers: {}\n---\n" + goodContainers), "more than one YAML document"},
		"a document that never ends": {yaml(goodContainers + strings.Repeat("---\n", 200_000)), "more than one YAML document"},
		"a key twice":                {yaml("containers: {}\n" + goodContainers), "already set"},
		"a tag of Python's":          {yaml(env("!!python/object/apply:os.system [id]")), "tag"},
		"a tag of bytes":             {yaml(env("!!binary aGVsbG8=")), "tag"},
		"a tag of one's own":         {yaml(env("!secret x")), "tag"},
		"a number without end":       {yaml("containers: {web: {image: nginx, memory: 1" + strings.Repeat("0", 100_000) + "}}"), "containers.yaml:1"},
		"a time without end":         {yaml("containers: {web: {image: nginx, update: {timeout: 99999999999999999999h}}}"), "containers.yaml:1"},
		"all ports":                  {yaml("containers: {web: {image: nginx, ports: [1-65535, '1-65535:1-65535/udp']}}"), "more than"},
		"a variable of variables": {files(map[string]string{
			"host.yaml":       "vars: {big: " + strings.Repeat("x", 900_000) + "}\n",
			"containers.yaml": env(`"` + strings.Repeat("${vars.big}", 80_000) + `"`),
		}), "the variables make the file larger"},
		"a host.yaml that is a bomb": {files(map[string]string{"host.yaml": laughs.String() + "vars: *a9\n"}), "host.yaml"},
		"a gitsync.yaml that is a bomb": {func(a *attack) {
			a.repo.Commit("main", map[string]string{"gitsync.yaml": laughs.String() + "rollout: *a9\n"}, "attack")
		}, "gitsync.yaml"},
	})
}

// Few objects may say that there is very much: each limit is found out in little memory.
func TestAMassOfHostsAndContainersIsRefused(t *testing.T) {
	each(t, map[string]repoAttack{
		"a hundred thousand hosts": {func(a *attack) {
			host := a.repo.HashOf(a.base, "hosts/web1")
			var entries []gittest.TreeEntry
			for i := range 100_000 {
				entries = append(entries, gittest.TreeEntry{Mode: "40000", Name: fmt.Sprintf("host%06d", i), Hash: host})
			}
			a.hosts(entries...)
		}, "more than the limit of 10000"},
		"a tree of trees of trees": {func(a *attack) {
			level := a.repo.HashOf(a.base, "hosts/web1")
			for range 12 {
				var entries []gittest.TreeEntry
				for i := range 10 {
					entries = append(entries, gittest.TreeEntry{Mode: "40000", Name: fmt.Sprintf("d%d", i), Hash: level})
				}
				level = dir(a, entries...)
			}
			a.hosts(gittest.TreeEntry{Mode: "40000", Name: "web2", Hash: level})
		}, "hosts/web2"},
		"directories without end": {func(a *attack) {
			level := a.repo.HashOf(a.base, "hosts/web1")
			for range 300 {
				level = dir(a, gittest.TreeEntry{Mode: "40000", Name: "d", Hash: level})
			}
			a.hosts(gittest.TreeEntry{Mode: "40000", Name: "web2", Hash: level})
		}, "nested more than 256 deep"},
		"a million containers by groups": {millionByGroups, "values"},
		"a hundred million containers by one group": {func(a *attack) {
			var b strings.Builder
			b.WriteString("containers:\n")
			for i := range 9_999 {
				fmt.Fprintf(&b, "  c%d: {image: x}\n", i)
			}
			a.repo.Commit("main", map[string]string{"groups/g/containers.yaml": b.String(), "hosts/web1/host.yaml": "groups: [g]\n"}, "attack")
			copies(a)
		}, "more than 50000 containers in all"},
		"a hundred GB of config files": {func(a *attack) {
			var b strings.Builder
			for i := range 15 {
				fmt.Fprintf(&b, "      /etc/x%d: {file: files/x}\n", i)
			}
			files(map[string]string{"containers.yaml": "containers:\n  web:\n    image: nginx\n    configFiles:\n" + b.String(), "files/x": strings.Repeat("x", 1<<20)})(a)
			copies(a)
		}, "bytes in all"},
		"more groups than there may be": {func(a *attack) {
			content := map[string]string{"groups/g/containers.yaml": goodContainers}
			content["hosts/web1/host.yaml"] = "groups: [" + strings.Repeat("g, ", 10_000) + "g]\n"
			a.repo.Commit("main", content, "attack")
		}, "host.yaml"},
		"config files by the thousand": {func(a *attack) {
			var b strings.Builder
			for i := range 20_000 {
				fmt.Fprintf(&b, "      /etc/x%d: {file: files/x}\n", i)
			}
			files(map[string]string{"containers.yaml": "containers:\n  web:\n    image: nginx\n    configFiles:\n" + b.String(), "files/x": strings.Repeat("x", 1<<20)})(a)
		}, "more than"},
	})
}

// copies makes hosts/ ten thousand times what the good host's directory is by now.
func copies(a *attack) {
	host, groups := a.repo.HashOf("main", "hosts/web1"), a.repo.Git("ls-tree", "main", "groups")
	var entries []gittest.TreeEntry
	for i := range 10_000 {
		entries = append(entries, gittest.TreeEntry{Mode: "40000", Name: fmt.Sprintf("host%06d", i), Hash: host})
	}
	root := []gittest.TreeEntry{{Mode: "40000", Name: "hosts", Hash: dir(a, entries...)}}
	if groups != "" {
		root = append([]gittest.TreeEntry{{Mode: "40000", Name: "groups", Hash: a.repo.HashOf("main", "groups")}}, root...)
	}
	a.tree(root...)
}

// millionByGroups has the good host name a hundred groups of ten thousand containers.
func millionByGroups(a *attack) {
	content, names := map[string]string{}, []string{}
	for g := range 100 {
		var b strings.Builder
		b.WriteString("containers:\n")
		for i := range 10_000 {
			fmt.Fprintf(&b, "  g%dc%d: {image: x}\n", g, i)
		}
		content[fmt.Sprintf("groups/g%d/containers.yaml", g)] = b.String()
		names = append(names, fmt.Sprintf("g%d", g))
	}
	content["hosts/web1/host.yaml"] = "groups: [" + strings.Join(names, ", ") + "]\n"
	a.repo.Commit("main", content, "attack")
}
