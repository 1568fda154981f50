package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/internal/gittest"
	"github.com/gitsync/gitsync/internal/secrettest"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/memory"
)

const (
	// maxCorpusMemory is what the process may take at most, whatever of the corpus it reads.
	maxCorpusMemory = 100 << 20
	// maxCorpusTime bounds each run on a busy machine, where one takes a second at most.
	maxCorpusTime = 30 * time.Second
)

// corpusMode is how commits and records are verified.
type corpusMode struct {
	name         string
	verify, seal bool
}

var corpusModes = []corpusMode{{"plain", false, false}, {"verify", true, false}, {"seal", false, true}, {"both", true, true}}

// corpusCell is one of the ways to run gitsync that the whole corpus is tried with: a repo of
// its own, whose objects are those of the corpus, and whose first commit is deployed.
type corpusCell struct {
	t       *testing.T
	mode    corpusMode
	repo    *gittest.Repo
	key     gittest.Key
	data    string
	args    []string
	env     []string
	secrets canaries
	// maxMemory is what a run may take.
	maxMemory int64
	// list returns all containers of the machine.
	list func() ([]types.ContainerSummary, error)
}

// newCorpusCell has the first commit deployed by a policy profile and a mode.
func newCorpusCell(t *testing.T, objects *corpus, profile string, mode corpusMode, args ...string) *corpusCell {
	t.Helper()
	c := &corpusCell{t: t, mode: mode, repo: gittest.NewRepo(t), data: t.TempDir(), env: objects.env, secrets: objects.secrets, maxMemory: maxCorpusMemory}
	alternates := filepath.Join(c.repo.Dir, "objects", "info", "alternates")
	if err := os.WriteFile(alternates, []byte(filepath.Join(objects.repo.Dir, "objects")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.args = append([]string{"--data-dir", c.data, "--log-format", "text", "--policy", profile}, args...)
	if mode.verify || mode.seal {
		c.key = gittest.NewSSHKey(t)
	}
	if mode.verify {
		signers := filepath.Join(t.TempDir(), "signers")
		if err := os.WriteFile(signers, []byte("alice@example.com "+c.key.Public+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c.args = append(c.args, "--verify", "ssh", "--verify-signers", signers)
	}
	if mode.seal {
		c.args = append(c.args, "--state-sign-key", c.key.File)
	}
	return c
}

// push puts a tree on top of a branch, signed where commits are verified.
func (c *corpusCell) push(branch, tree string, signed bool) {
	c.t.Helper()
	args := []string{"-c", "user.name=Mallory", "-c", "user.email=mallory@example.com", "commit-tree", "-m", "Attack"}
	if tip := c.repo.Hash(branch); tip != "" {
		args = append(args, "-p", tip)
	}
	c.repo.ResetBranch(branch, c.repo.Git(append(args, tree)...))
	if signed && c.mode.verify && branch == "main" {
		c.repo.Sign("main", c.key, time.Now())
	}
}

// run makes one pass, and checks what holds for each: it ends, stays small, steers no
// terminal, does not panic, and says no secret.
func (c *corpusCell) run(address string, args ...string) (int, string) {
	c.t.Helper()
	built, err := binary()
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), maxCorpusTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, built, slices.Concat([]string{"run", "--once", "--repo", address}, c.args, args)...)
	cmd.Env = append(os.Environ(), c.env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	peak, output := peakOf(cmd), ""
	output = out.String()
	c.t.Logf("exit code %d, %d MiB, %s", cmd.ProcessState.ExitCode(), peak>>20, time.Since(begun).Round(10*time.Millisecond))
	if ctx.Err() != nil {
		c.t.Errorf("it did not end within %s:\n%.2000s", maxCorpusTime, output)
	}
	if peak > c.maxMemory {
		c.t.Errorf("it took %d MiB, want %d at most", peak>>20, c.maxMemory>>20)
	}
	if strings.Contains(output, "panic") || strings.Contains(output, "goroutine ") {
		c.t.Errorf("it panicked: %.3000s", output)
	}
	wantPolite(c.t, output)
	c.secrets.checkNone(c.t, "the output", output)
	return cmd.ProcessState.ExitCode(), output
}

// corpusAttack is one attack, and what gitsync must make of it.
type corpusAttack struct {
	name string
	// make changes the branch main of the corpus' repo. Its tree is the attack.
	make func(a *attack)
	// want is what the output says.
	want []string
	// profile is the policy profile that it is tried with; empty for both, in turn.
	profile string
	// state says that the tree goes to the state branch.
	state bool
	// unsigned says that the commit is not signed, where commits are verified.
	unsigned bool
	// damaged says that the server has not all objects of it.
	damaged bool
	// long says that the attack takes long, and is tried with GITSYNC_LONG only.
	long bool
	// memory is what the process may take, where that is more than usual.
	memory int64
	// tree is made once for all cells; empty where the attack is not tried.
	tree string
}

// corpus holds the objects of all attacks, and the tree of the commit that is deployed first.
type corpus struct {
	repo    *gittest.Repo
	good    string
	secrets canaries
	env     []string
}

// makeCorpus makes the objects of all attacks on a host, once, in one repo. The host has one
// container, which is called as it is.
func makeCorpus(t *testing.T, host, image string, attacks []corpusAttack) *corpus {
	t.Helper()
	key := secrettest.NewKey(t)
	c := &corpus{secrets: canaries{}, env: []string{"SOPS_AGE_KEY_FILE=" + key.File}}
	a := &attack{t: t, repo: gittest.NewRepo(t)}
	a.base = a.repo.Commit("main", map[string]string{
		"hosts/" + host + "/containers.yaml": "containers:\n  " + host + ": {image: \"" + image + "\", env: {PASSWORD: \"${secret.password}\"}, stopTimeout: 1s, update: {monitor: 1ms}}\n",
		"hosts/" + host + "/secrets.yaml":    string(secrettest.SOPS(t, "password: "+c.secrets.value("password")+"\n", key)),
	}, "good")
	for i := range attacks {
		if attacks[i].long && os.Getenv("GITSYNC_LONG") == "" {
			continue
		}
		a.repo.ResetBranch("main", a.base)
		attacks[i].make(a)
		attacks[i].tree = a.repo.Git("rev-parse", "main^{tree}")
	}
	a.repo.ResetBranch("main", a.base)
	c.repo, c.good = a.repo, a.repo.Git("rev-parse", "main^{tree}")
	return c
}

// The attack corpus, with containers in memory: each policy profile, with and without
// --verify and --state-sign-key. The attackers may sign: those who push to main with
// --verify have an allowed key, but for the attacks that say otherwise. Each attack is tried
// in each mode; with GITSYNC_LONG in each mode by both profiles, and else by one of them in
// turn, since only the hosts of one attack (hostileHosts) differ by profile.
func TestTheAttackCorpusInMemory(t *testing.T) {
	attacks := slices.Concat(treeAttacks(), stateAttacks())
	objects := makeCorpus(t, "web1", "nginx", attacks)
	packs := hostilePacks()
	for p, profile := range []string{"default", "strict"} {
		for m, mode := range corpusModes {
			t.Run(profile+"/"+mode.name, func(t *testing.T) {
				c := newMemoryCell(t, objects, profile, mode)
				before, records := c.machine(), c.repo.Git("rev-parse", "gitsync/state^{tree}")
				for i, attack := range attacks {
					long := os.Getenv("GITSYNC_LONG") != ""
					if attack.tree == "" || attack.profile != "" && attack.profile != profile || attack.profile == "" && (i+m+p)%2 > 0 && !long {
						continue
					}
					t.Run(attack.name, func(t *testing.T) {
						c.t, c.maxMemory = t, max(attack.memory, maxCorpusMemory)
						if attack.state {
							c.push("main", objects.good, true)
						}
						c.try(attack)
						c.wantSame(before)
					})
				}
				c.maxMemory = maxCorpusMemory
				for name, answers := range packs {
					t.Run(name, func(t *testing.T) {
						c.t = t
						if code, output := c.run(gittest.ServeAnswers(t, answers)); code != 1 {
							t.Errorf("it exits with %d, want 1: %.3000s", code, output)
						}
						c.wantSame(before)
					})
				}
				c.t = t
				if !mode.seal {
					// As gitsync resume does, which suspensions that cannot be read wait for.
					c.push("gitsync/state", records, false)
				}
				c.recovers("web1", "nginx:2", "theirs:1")
			})
		}
	}
}

// newMemoryCell is a cell with containers in memory, beside a stranger's container.
func newMemoryCell(t *testing.T, objects *corpus, profile string, mode corpusMode) *corpusCell {
	t.Helper()
	c := newCorpusCell(t, objects, profile, mode, "--runtime", "memory")
	c.push("main", objects.good, true)
	if code, output := c.run(c.repo.Dir); code != 0 {
		t.Fatalf("the first deployment exits with %d: %s", code, output)
	}
	files, err := filepath.Glob(filepath.Join(c.data, "memory", "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("the machines are %v, %v", files, err)
	}
	c.list = func() ([]types.ContainerSummary, error) {
		rt, err := (&memory.Config{File: files[0]}).New()
		if err != nil {
			return nil, err
		}
		return rt.(runtime.Lister).List(c.t.Context(), nil)
	}
	rt, err := (&memory.Config{File: files[0]}).New()
	if err != nil {
		t.Fatal(err)
	}
	id, err := rt.Create(t.Context(), strangerConfig("stranger", "theirs:1"))
	if err == nil {
		err = rt.Start(t.Context(), id)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// machine is what runs, a stranger's containers included, but no leases.
func (c *corpusCell) machine() string {
	c.t.Helper()
	rows, err := c.list()
	if err != nil {
		c.t.Fatal(err)
	}
	var lines []string
	for _, row := range rows {
		if row.Labels[container.LabelRole] != container.RoleLease {
			lines = append(lines, fmt.Sprintln(row.Name, row.ID, row.Image, row.Status, row.Created))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// wantSame checks that nothing was changed on the machine.
func (c *corpusCell) wantSame(before string) {
	c.t.Helper()
	if now := c.machine(); now != before {
		c.t.Errorf("the machine changed:\n%s\nwas\n%s", now, before)
	}
}

// try makes an attack, and checks that it ends as wanted.
func (c *corpusCell) try(attack corpusAttack) {
	c.t.Helper()
	branch, want, wantCode := "main", attack.want, 1
	if attack.state {
		branch = "gitsync/state"
	}
	base := c.repo.Hash(branch)
	c.push(branch, attack.tree, !attack.unsigned)
	switch {
	case attack.state && c.mode.seal:
		want, wantCode = []string{"it is not signed"}, 0 // it is put back at once
	case attack.unsigned && c.mode.verify:
		want = []string{"not signed"}
	}
	code, output := c.run(c.repo.Dir)
	if code != wantCode {
		c.t.Errorf("it exits with %d, want %d: %.3000s", code, wantCode, output)
	}
	for _, text := range want {
		if !strings.Contains(output, text) {
			c.t.Errorf("%q is not in: %.6000s", text, output)
		}
	}
	// No server sends what is built on a damaged commit, so that somebody takes it back.
	if attack.unsigned && c.mode.verify || attack.damaged && !c.mode.seal {
		c.repo.ResetBranch(branch, base)
	}
}

// recovers checks that the next good commit is deployed, and that it alone changes anything.
func (c *corpusCell) recovers(host, image, stranger string) {
	c.t.Helper()
	c.repo.Commit("next", map[string]string{"hosts/" + host + "/containers.yaml": "containers:\n  " + host + ": {image: \"" + image + "\", stopTimeout: 1s, update: {monitor: 1ms}}\n"}, "Next")
	c.push("main", "next^{tree}", true)
	if code, output := c.run(c.repo.Dir); code != 0 {
		c.t.Errorf("the next good commit: it exits with %d: %.3000s", code, output)
	}
	now := c.machine()
	if !strings.Contains(now, " "+image+" running") || !strings.Contains(now, " "+stranger+" running") {
		c.t.Errorf("after the next good commit there is\n%s", now)
	}
}
