package demo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gitsync/gitsync/examples"
)

// The containers and the volume of examples/repo have names of the tour's own, so
// that they meet no others on this machine.
const (
	prefix = "gitsync-demo-"
	hello  = prefix + "hello"
	volume = prefix + "data"
)

// makeRepo makes the remote from examples/repo, with images, ports and paths of
// the tour's own.
func (d *tour) makeRepo(ctx context.Context) error {
	d.chapter("A Git repo says what runs where")
	replace := []string{
		// They are simple, and the tour is short.
		"    image: " + examples.Image + "\n", "    image: " + firstImage + "\n    update: {monitor: 1s}\n",
		"gitsync-example-store", volume,
		"/srv/gitsync-example", filepath.Join(d.dir, "files"),
		"\n  hello:\n", "\n  " + hello + ":\n", "\n  echo:\n", "\n  " + prefix + "echo:\n", "\n  store:\n", "\n  " + prefix + "store:\n",
	}
	d.ports = map[string]int{}
	for _, published := range []string{"18081", "18082", "18083"} {
		port, err := freePort(ctx)
		if err != nil {
			return err
		}
		d.ports[published] = port
		replace = append(replace, published, strconv.Itoa(port))
	}
	if err := copyRepo(examples.Repo(), d.clone(), strings.NewReplacer(replace...)); err != nil {
		return err
	}
	// The tour's files are below its own directory, where the default profile allows none.
	allow := fmt.Sprintf("hosts: {\"*\": {configFiles: {allow: [%q]}}}\n", filepath.Join(d.dir, "files"))
	if err := os.WriteFile(d.policy(), []byte(allow), 0o600); err != nil {
		return err
	}
	d.say("This is examples/repo, with names, ports, an image and a shorter wait of the tour's own:")
	d.show("cat", "infra/hosts/web1/containers.yaml")
	data, err := os.ReadFile(filepath.Join(d.clone(), "hosts", "web1", "containers.yaml"))
	if err != nil {
		return err
	}
	d.print(data)
	d.say("Its config files are below %s, where the default policy allows none:\nhere is one that does.", d.dir)
	d.show("cat", d.policy())
	d.print([]byte(allow))
	if err := d.git(ctx, d.dir, "init", "--quiet", "--bare", "-b", "main", d.remote()); err != nil {
		return err
	}
	if err := d.git(ctx, d.clone(), "init", "--quiet", "-b", "main"); err != nil {
		return err
	}
	if err := d.git(ctx, d.clone(), "remote", "add", "origin", d.remote()); err != nil {
		return err
	}
	return d.commit(ctx, "Start with three hosts")
}

func (d *tour) deploy(ctx context.Context) error {
	d.chapter("Deploy it")
	if err := d.gitsync(ctx, "plan"); err != nil {
		return err
	}
	if err := d.gitsync(ctx, "run", "--once"); err != nil {
		return err
	}
	if err := d.gitsync(ctx, "status"); err != nil {
		return err
	}
	return d.askAll(ctx, "v1")
}

func (d *tour) change(ctx context.Context) error {
	d.chapter("Change it by a commit")
	if _, err := d.edit(ctx, "Move hello to v2", firstImage, secondImage); err != nil {
		return err
	}
	if err := d.gitsync(ctx, "plan"); err != nil {
		return err
	}
	if err := d.gitsync(ctx, "run", "--once"); err != nil {
		return err
	}
	return d.ask(ctx, "18081", "v2")
}

// edit replaces text in the containers of web1, shows the difference and commits it. It
// returns what the file was.
func (d *tour) edit(ctx context.Context, subject, old, changed string) ([]byte, error) {
	name := d.containers()
	before, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	after := bytes.ReplaceAll(before, []byte(old), []byte(changed))
	if bytes.Equal(after, before) {
		return nil, fmt.Errorf("examples/repo has no %q for web1", old)
	}
	if err := os.WriteFile(name, after, 0o644); err != nil {
		return nil, err
	}
	d.show("git", "diff", "--unified=0")
	output, err := run(ctx, d.clone(), gitEnv, "git", "diff", "--unified=0")
	if err != nil {
		return nil, err
	}
	d.print(output)
	return before, d.commit(ctx, subject)
}

func (d *tour) containers() string {
	return filepath.Join(d.clone(), "hosts", "web1", "containers.yaml")
}

func (d *tour) history(ctx context.Context) error {
	d.chapter("The state branch is the history")
	if err := d.gitsync(ctx, "history"); err != nil {
		return err
	}
	d.show("git", "log", "--oneline", "gitsync/state")
	output, err := run(ctx, d.remote(), gitEnv, "git", "log", "--oneline", "gitsync/state")
	d.print(output)
	return err
}

// askAll asks all containers who they are.
func (d *tour) askAll(ctx context.Context, version string) error {
	for _, published := range []string{"18081", "18082", "18083"} {
		if err := d.ask(ctx, published, version); err != nil {
			return err
		}
	}
	return nil
}

// ask asks a container who it is, and waits until it answers with this version.
func (d *tour) ask(ctx context.Context, published, version string) error {
	if d.memory {
		return nil
	}
	url := fmt.Sprintf("http://127.0.0.1:%d", d.ports[published])
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	var answer []byte
	err := eventually(ctx, url+" answers with "+version, func() bool {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return false
		}
		response, err := client.Do(request)
		if err != nil {
			return false
		}
		defer func() { _ = response.Body.Close() }()
		answer, err = io.ReadAll(io.LimitReader(response.Body, 4096))
		return err == nil && bytes.Contains(answer, []byte("Version: "+version))
	})
	d.show("curl", url)
	d.print(answer)
	return err
}

// patience bounds what the tour waits for: a slow machine may need most of it.
const patience = 3 * time.Minute

// eventually waits, with a bound, until the condition holds.
func eventually(ctx context.Context, what string, condition func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for !condition() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w", what, ctx.Err())
		case <-ticker.C:
		}
	}
	return nil
}

func freePort(ctx context.Context) (int, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// copyRepo writes the files of a repo into a directory, with replacements.
func copyRepo(repo fs.FS, dir string, replacer *strings.Replacer) error {
	return fs.WalkDir(repo, ".", func(p string, entry fs.DirEntry, err error) error {
		target := filepath.Join(dir, filepath.FromSlash(p))
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		data, err := fs.ReadFile(repo, p)
		if err != nil {
			return err
		}
		return os.WriteFile(target, []byte(replacer.Replace(string(data))), 0o644)
	})
}
