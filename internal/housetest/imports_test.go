package housetest_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mayImport is the house, from the bottom up: which packages of ours each one may
// import outside of its tests. It is the table of the design; a package that is not
// in it has no place yet. A test of any package may import what is below it, and the
// packages for tests.
var mayImport = map[string][]string{
	"container/types": {},
	"examples":        {},

	"host":        {"host/direct", "host/ssh"},
	"host/direct": {},
	"host/ssh":    {"container/types"},

	"secret":        {},
	"secret/unlock": {"secret"},

	"registry":              {},
	"registry/dockerconfig": {"registry"},

	"runtime":             {"container/types", "registry"},
	"runtime/docker":      {"container/types", "registry", "runtime"},
	"runtime/memory":      {"container/types", "registry", "runtime"},
	"runtime/runtimetest": {"container/types", "runtime"},

	"internal/follow":   {},
	"internal/disk":     {},
	"internal/grace":    {},
	"internal/lossy":    {},
	"internal/panics":   {},
	"internal/spelling": {},
	"internal/yamlout":  {},

	"container": {
		"container/types", "host", "host/ssh", "internal/grace", "internal/panics", "internal/yamlout", "registry", "runtime", "runtime/docker", "runtime/memory",
		"secret",
	},
	"container/resource": {"container", "container/types", "internal/yamlout"},

	"lease": {"container", "container/types", "runtime"},

	"gitrepo":           {"gitrepo/pack", "gitrepo/protocol", "host/ssh", "internal/disk", "internal/follow", "internal/panics", "internal/spelling"},
	"gitrepo/pack":      {},
	"gitrepo/protocol":  {},
	"gitrepo/signature": {},
	"trust":             {"gitrepo", "gitrepo/signature", "internal/disk"},
	"policy":            {"container", "container/types", "internal/spelling"},
	"layout": {
		"container", "container/types", "host", "host/direct", "host/ssh",
		"internal/spelling", "registry", "runtime/docker", "runtime/memory", "secret",
	},
	"state/outbox": {},
	"state":        {"container", "container/types", "gitrepo", "internal/disk", "internal/panics", "internal/yamlout", "state/outbox", "trust"},

	"pin": {"layout"},

	"report":        {"report/forge"},
	"report/forge":  {"internal/follow"},
	"report/notify": {},

	"server": {},

	"sync": {
		"container", "container/types", "gitrepo", "host", "internal/disk", "internal/grace", "internal/panics", "layout", "lease", "policy", "registry", "report", "runtime", "secret", "state", "state/outbox", "trust",
	},

	"internal/demo": {
		"container", "container/types", "examples", "runtime", "runtime/docker", "runtime/memory",
	},
	"cmd/gitsync": {
		"container", "container/types", "examples", "gitrepo", "gitrepo/signature", "host", "host/direct", "host/ssh", "internal/demo", "internal/disk", "internal/follow", "internal/lossy", "internal/spelling", "layout", "lease", "pin", "policy",
		"registry", "registry/dockerconfig", "report", "report/forge", "report/notify", "runtime", "runtime/docker", "runtime/memory", "secret", "secret/unlock", "server", "state", "sync", "trust",
	},

	"internal/dockertest":       {"container/types", "runtime/docker"},
	"internal/dockertest/probe": {},
	"internal/gittest":          {},
	"internal/registrytest":     {},
	"internal/secrettest":       {},
	"internal/sshdtest":         {},
	"internal/housetest":        {},
	"e2e":                       {},
}

// onlyIn is where modules of others may be imported outside of tests; nowhere else,
// so that to change such a module is one package's work.
var onlyIn = map[string][]string{
	"github.com/docker/docker":                    {"runtime/docker", "internal/dockertest"},
	"github.com/docker/cli":                       {"registry/dockerconfig"},
	"github.com/docker/docker-credential-helpers": {"registry/dockerconfig"},
	"github.com/go-git/go-git/v5":                 {"gitrepo", "gitrepo/pack", "internal/gittest"},
	"github.com/go-git/go-billy/v5":               {"gitrepo", "internal/gittest"},
	"golang.org/x/crypto/ssh":                     {"host/ssh", "gitrepo", "gitrepo/signature", "internal/sshdtest", "internal/gittest"},
	"github.com/hiddeco/sshsig":                   {"gitrepo/signature"},
	"github.com/ProtonMail/go-crypto":             {"gitrepo/signature"},
	"github.com/getsops/sops/v3":                  {"secret/unlock", "internal/secrettest"},
	"filippo.io/age":                              {"secret/unlock", "internal/secrettest"},
	"google.golang.org/grpc":                      {"secret/unlock"},
	"github.com/spf13/cobra":                      {"cmd/gitsync"},
	"github.com/spf13/pflag":                      {"cmd/gitsync"},
	"github.com/robfig/cron/v3":                   {"sync"},
	"github.com/nicholas-fedor/shoutrrr":          {"report/notify"},
	"github.com/google/go-cmp":                    {"runtime/runtimetest"},
	"github.com/google/go-containerregistry":      {"registry", "internal/registrytest"},
	"github.com/rogpeppe/go-internal":             {},
	"go.uber.org/goleak":                          {"runtime/runtimetest"},
}

func TestImportsRunDownwards(t *testing.T) {
	files := sourceFiles(t)
	importers := importersOf(files)
	for _, file := range files {
		allowed, known := mayImport[file.dir()]
		if !known {
			t.Errorf("%s: package %s has no place in the house: add it to mayImport, and to design.md section 3",
				file.path, file.dir())
			continue
		}
		if file.isTest() {
			continue
		}
		for _, imported := range importsOf(file) {
			own, isOwn := strings.CutPrefix(imported.path, modulePath+"/")
			if isOwn && !slices.Contains(allowed, own) {
				t.Errorf("%s:%d: %s: %s may import only %v",
					file.path, imported.line, chain(importers, file.dir(), own), file.dir(), allowed)
			}
		}
	}
}

func TestForeignModulesStayInTheirPackage(t *testing.T) {
	for _, file := range sourceFiles(t) {
		if file.isTest() {
			continue
		}
		for _, imported := range importsOf(file) {
			for module, places := range onlyIn {
				inside := imported.path == module || strings.HasPrefix(imported.path, module+"/")
				if inside && !slices.Contains(places, file.dir()) {
					t.Errorf("%s:%d: imports %s, which only %v and tests may",
						file.path, imported.line, imported.path, places)
				}
			}
		}
	}
}

type importLine struct {
	path string
	line int
}

func importsOf(file sourceFile) []importLine {
	var lines []importLine
	for _, spec := range file.ast.Imports {
		// The parser accepts string literals only.
		unquoted, err := strconv.Unquote(spec.Path.Value)
		if err == nil {
			lines = append(lines, importLine{path: unquoted, line: file.line(spec.Pos())})
		}
	}
	return lines
}

// importersOf maps a package of ours to one that imports it outside of its tests.
func importersOf(files []sourceFile) map[string]string {
	importers := map[string]string{}
	for _, file := range files {
		if file.isTest() {
			continue
		}
		for _, imported := range importsOf(file) {
			own, isOwn := strings.CutPrefix(imported.path, modulePath+"/")
			if _, seen := importers[own]; isOwn && !seen {
				importers[own] = file.dir()
			}
		}
	}
	return importers
}

// chain is one way from a package that nobody imports to from, and on to to.
func chain(importers map[string]string, from, to string) string {
	way := []string{from, to}
	for importer, ok := importers[from]; ok && !slices.Contains(way, importer); importer, ok = importers[importer] {
		way = slices.Insert(way, 0, importer)
	}
	return strings.Join(way, " → ")
}
