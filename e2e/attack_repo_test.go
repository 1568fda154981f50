package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gitsync/gitsync/internal/gittest"
)

// maxMemory is what gitsync may take at most while it is attacked: the race detector and
// the Go runtime included, as the kernel counts.
const maxMemory = 700 << 20

// attack is a run of the binary, with containers in memory, that begins with one host
// whose container runs.
type attack struct {
	t    *testing.T
	repo *gittest.Repo
	data string
	base string
}

const goodContainers = "containers:\n  web: {image: nginx, update: {monitor: 1ms}}\n"

func newAttack(t *testing.T) *attack {
	t.Helper()
	a := &attack{t: t, repo: gittest.NewRepo(t), data: t.TempDir()}
	a.base = a.repo.Commit("main", map[string]string{"hosts/web1/containers.yaml": goodContainers}, "good")
	if code, output, _ := a.run(a.repo.Dir); code != 0 {
		t.Fatalf("the first deployment ends with %d: %s", code, output)
	}
	return a
}

// run lets the binary make one pass. It returns what it printed, and how much memory the
// kernel says that it took at most.
func (a *attack) run(address string, args ...string) (code int, output string, memory int64) {
	a.t.Helper()
	built, err := binary()
	if err != nil {
		a.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(a.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, built, append([]string{
		"run", "--once", "--runtime", "memory", "--data-dir", a.data, "--repo", address, "--log-format", "text",
	}, args...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	memory = peakOf(cmd)
	if ctx.Err() != nil {
		a.t.Errorf("it did not end:\n%.2000s", out.String())
	}
	return cmd.ProcessState.ExitCode(), out.String(), memory
}

// peakOf waits for a process to end, and returns how much memory it took at most. The
// kernel's own sum (getrusage) counts what the test had when it started the process.
func peakOf(cmd *exec.Cmd) (peak int64) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	ticker := time.NewTicker(3 * time.Millisecond)
	defer ticker.Stop()
	status := fmt.Sprintf("/proc/%d/status", cmd.Process.Pid)
	for {
		content, _ := os.ReadFile(status)
		if _, after, ok := bytes.Cut(content, []byte("VmHWM:")); ok {
			line, _, _ := strings.Cut(string(after), "kB")
			if kilobytes, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64); err == nil {
				peak = max(peak, kilobytes<<10)
			}
		}
		select {
		case <-ended:
			return peak
		case <-ticker.C:
		}
	}
}

// machine is what the machine in memory holds.
func (a *attack) machine() string {
	a.t.Helper()
	files, err := filepath.Glob(filepath.Join(a.data, "memory", "*.json"))
	if err != nil || len(files) != 1 {
		a.t.Fatalf("the machines are %v, %v", files, err)
	}
	content, err := os.ReadFile(files[0])
	if err != nil {
		a.t.Fatal(err)
	}
	return string(content)
}

// wantRefused runs the binary, which must say what is wrong, change nothing, and stay
// small and polite.
func (a *attack) wantRefused(address, want string) {
	a.t.Helper()
	before, begun := a.machine(), time.Now()
	code, output, memory := a.run(address)
	a.t.Logf("%d MiB, %s", memory>>20, time.Since(begun).Round(10*time.Millisecond))
	if code != 1 || !strings.Contains(output, want) {
		a.t.Errorf("it exits with %d, and says %.3000s\nwant 1, and %q", code, output, want)
	}
	if strings.Contains(output, "panic") || strings.Contains(output, "goroutine ") {
		a.t.Errorf("it panicked: %.3000s", output)
	}
	if a.machine() != before {
		a.t.Errorf("the machine changed:\n%s\nwas\n%s", a.machine(), before)
	}
	if memory > maxMemory {
		a.t.Errorf("it took %d MiB", memory>>20)
	}
	wantPolite(a.t, output)
}

// wantPolite checks that output steers no terminal.
func wantPolite(t *testing.T, output string) {
	t.Helper()
	if !utf8.ValidString(output) {
		t.Errorf("%.2000q is no UTF-8", output)
	}
	for _, r := range output {
		if unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Cf, r) {
			t.Fatalf("the output holds %U: %.2000q", r, output)
		}
	}
}

// tree makes the tip of main a commit whose root is this tree, built entry by entry.
func (a *attack) tree(entries ...gittest.TreeEntry) string {
	a.t.Helper()
	return a.commitTree(a.repo.Object(gittest.TreeKind, gittest.MakeTree(entries...)))
}

func (a *attack) commitTree(root [20]byte) string {
	hash := a.repo.Object(gittest.CommitKind, gittest.MakeCommit(root, "attack"))
	tip := fmt.Sprintf("%x", hash)
	a.repo.ResetBranch("main", tip)
	return tip
}

func (a *attack) blob(content string) [20]byte {
	return a.repo.Object(gittest.BlobKind, []byte(content))
}

func dir(a *attack, entries ...gittest.TreeEntry) [20]byte {
	return a.repo.Object(gittest.TreeKind, gittest.MakeTree(entries...))
}

// hosts makes hosts/ of these entries, beside the good host.
func (a *attack) hosts(entries ...gittest.TreeEntry) {
	good := gittest.TreeEntry{Mode: "40000", Name: "web1", Hash: a.repo.HashOf(a.base, "hosts/web1")}
	hosts := dir(a, append(entries, good)...)
	a.tree(gittest.TreeEntry{Mode: "40000", Name: "hosts", Hash: hosts})
}

// named makes a host of this name, whatever it is.
func named(mode, name string) func(a *attack) {
	return func(a *attack) {
		a.hosts(gittest.TreeEntry{Mode: mode, Name: name, Hash: a.repo.HashOf(a.base, "hosts/web1")})
	}
}

// file makes files of the good host others.
func files(content map[string]string) func(a *attack) {
	return func(a *attack) {
		whole := map[string]string{}
		for name, text := range content {
			whole["hosts/web1/"+name] = text
		}
		a.repo.Commit("main", whole, "attack")
	}
}

// yaml makes containers.yaml another.
func yaml(text string) func(a *attack) { return files(map[string]string{"containers.yaml": text}) }

func configFile(source string) string {
	return "containers:\n  web:\n    image: nginx\n    configFiles: {/etc/x: {file: '" + source + "'}}\n"
}

// each attacks one after the other, each from the good state.
func each(t *testing.T, attacks map[string]repoAttack) {
	t.Helper()
	a := newAttack(t)
	for name, c := range attacks {
		t.Run(name, func(t *testing.T) {
			a.t = t
			a.repo.ResetBranch("main", a.base)
			c.do(a)
			a.wantRefused(a.repo.Dir, c.want)
		})
	}
}

type repoAttack struct {
	do   func(a *attack)
	want string
}

func TestATreeThatLeadsElsewhereIsRefused(t *testing.T) {
	link := func(path, target string, content map[string]string) func(a *attack) {
		return func(a *attack) {
			files(content)(a)
			a.repo.Symlink("main", path, target)
		}
	}
	withFile := map[string]string{"containers.yaml": configFile("files/x")}
	each(t, map[string]repoAttack{
		"a file above the host":      {yaml(configFile("../web2/files/x")), "leads out of the host's directory"},
		"a file far above":           {yaml(configFile("files/../../../../../etc/passwd")), "leads out of the host's directory"},
		"an absolute file":           {yaml(configFile("/etc/passwd")), "is absolute"},
		"a file with dots":           {yaml(configFile("files/./x")), "no clean path"},
		"a file of Git's":            {yaml(configFile(".git/config")), ".git/config"},
		"a config file that is none": {yaml("containers: {web: {image: nginx, configFiles: {/etc/../root/.ssh/authorized_keys: x}}}"), "the config file's path"},
		"a host that is a link":      {link("hosts/web2", "/etc", nil), "symbolic link"},
		"a host that is another":     {link("hosts/web2", "web1", nil), "symbolic link"},
		"containers.yaml as a link":  {link("hosts/web1/containers.yaml", "/etc/passwd", nil), "symbolic link"},
		"a config file as a link":    {link("hosts/web1/files/x", "/etc/shadow", withFile), "symbolic link"},
		"a directory as a link":      {link("hosts/web1/files", "/etc", withFile), "symbolic link"},
		"hosts as a link":            {func(a *attack) { a.tree(gittest.TreeEntry{Mode: "120000", Name: "hosts", Hash: a.blob("/etc")}) }, "symbolic link"},
		"gitsync.yaml as a link":     {link("gitsync.yaml", "/etc/passwd", nil), "symbolic link"},
		"a group as a link":          {link("groups/all", "/etc", map[string]string{"host.yaml": "groups: [all]"}), "symbolic link"},
		"a host that is a submodule": {named("160000", "web2"), "submodule"},
		"a directory as a submodule": {func(a *attack) { files(withFile)(a); a.repo.Submodule("main", "hosts/web1/files", a.base) }, "submodule"},
		"a group that leads out":     {files(map[string]string{"host.yaml": "groups: [../hosts/web1]"}), "there is no group"},
		"an entry with a slash":      {named("40000", "a/b"), "a/b"},
		"an entry of two dots":       {named("40000", ".."), ".."},
		"an entry of one dot":        {named("40000", "."), "."},
		"an entry without a name":    {named("40000", ""), ""},
		"an entry that is there twice": {func(a *attack) {
			a.hosts(gittest.TreeEntry{Mode: "40000", Name: "web1", Hash: dir(a, gittest.TreeEntry{Mode: "100644", Name: "containers.yaml", Hash: a.blob("containers: {}")})})
		}, "twice"},
		"a file that is there twice": {func(a *attack) {
			yaml := a.blob(goodContainers)
			a.hosts(gittest.TreeEntry{Mode: "40000", Name: "web2", Hash: dir(a,
				gittest.TreeEntry{Mode: "100644", Name: "containers.yaml", Hash: yaml}, gittest.TreeEntry{Mode: "100644", Name: "containers.yaml", Hash: a.blob("x")})})
		}, "twice"},
		"a mode that is none":                  {named("777777", "web2"), ""},
		"a directory that is a file":           {func(a *attack) { a.hosts(gittest.TreeEntry{Mode: "40000", Name: "web2", Hash: a.blob("x")}) }, ""},
		"a tree that is garbage":               {func(a *attack) { a.commitTree(a.repo.Object(gittest.TreeKind, []byte("garbage"))) }, ""},
		"a tree that is missing":               {func(a *attack) { a.commitTree([20]byte{1}) }, ""},
		"no hosts":                             {func(a *attack) { a.tree() }, "nothing is changed"},
		"an escape in a host's name":           {named("40000", "web\x1b[2J\u202e2"), "no name for a host"},
		"a host's name with a NUL's neighbour": {named("40000", "web\x012"), "no name for a host"},
		"a host's name in other letters":       {named("40000", "w\u0435b1"), "no name for a host"},
		"a host's name that is no text":        {named("40000", "web\xff\xfe"), "no name for a host"},
		"a host's name without end":            {named("40000", strings.Repeat("a", 5000)), "no name for a host"},
		"a host's name that is an option":      {named("40000", "--config=x"), "no name for a host"},
		"a host's name in capitals":            {named("40000", "WEB1"), "web"},
	})
}
