package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/docker"
)

// Options say how the tour is given.
type Options struct {
	// Out is where it is told.
	Out io.Writer
	// Color marks commands and chapters.
	Color bool
	// Keep leaves containers, images and files behind.
	Keep bool
	// Memory uses the memory runtime although Docker may be there.
	Memory bool
}

// tour is the state of one demo.
type tour struct {
	stage
	keep   bool
	binary string
	// dir holds the remote, the clone and the data directory.
	dir    string
	memory bool
	engine *docker.Runtime
	images []string
	ports  map[string]int
}

// cleanupTimeout bounds what is done after the tour, although its context may be
// over.
const cleanupTimeout = time.Minute

// Run gives the tour. It ends with an error when something did not go as told.
func Run(ctx context.Context, opts Options) (err error) {
	d := &tour{stage: stage{out: opts.Out, color: opts.Color}, keep: opts.Keep, memory: opts.Memory}
	if d.binary, err = os.Executable(); err != nil {
		return err
	}
	if d.dir, err = os.MkdirTemp("", "gitsync-demo-"); err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
		defer cancel()
		err = errors.Join(err, d.cleanup(ctx))
	}()
	for _, chapter := range []func(context.Context) error{
		d.prepare, d.makeRepo, d.deploy, d.change, d.breakUpdate, d.breakAndRepair, d.leaveAlone, d.history,
	} {
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	return nil
}

// prepare finds out what the containers will run on.
func (d *tour) prepare(ctx context.Context) error {
	d.chapter("What this tour runs on")
	rt, err := (&docker.Config{}).New()
	if err != nil {
		return err
	}
	engine, ok := rt.(*docker.Runtime)
	if !ok {
		return errors.New("the docker runtime is of another type than expected")
	}
	if !d.memory {
		if _, err := engine.List(ctx, map[string]string{"io.gitsync.demo": ""}); err != nil {
			if !errors.Is(err, runtime.ErrUnreachable) {
				return errors.Join(err, engine.Close())
			}
			d.say("Docker does not answer (%v).", err)
			d.memory = true
		}
	}
	if d.memory {
		d.say("No Docker: the tour uses gitsync's memory runtime. It deploys, changes and repairs")
		d.say("all the same, but nothing really runs, so nothing answers over HTTP.")
		return engine.Close()
	}
	d.engine = engine
	d.say("Docker. The containers run a small image made of the gitsync binary itself, so no")
	d.say("registry is needed. It answers over HTTP with its name and version.")
	return d.loadImages(ctx, engine)
}

// cleanup removes what the tour made, and says what is left where it was told to
// keep it.
func (d *tour) cleanup(ctx context.Context) error {
	if d.engine == nil && !d.memory {
		return os.RemoveAll(d.dir)
	}
	d.chapter("Clean up")
	if d.keep {
		d.say("Kept, as asked: the repo %s, a clone in %s,", d.remote(), d.clone())
		d.say("and the containers. Remove them with")
		d.say("    docker rm -f %s %secho %sstore; docker volume rm %s; docker rmi %s %s; rm -r %s",
			hello, prefix, prefix, volume, firstImage, secondImage, d.dir)
		return nil
	}
	var errs []error
	if d.engine != nil {
		errs = append(errs, d.removeContainers(ctx), d.engine.RemoveVolume(ctx, volume))
		for _, image := range d.images {
			errs = append(errs, d.engine.RemoveImage(ctx, image))
		}
		errs = append(errs, d.engine.Close())
	}
	errs = append(errs, d.removeManifest(), os.RemoveAll(d.dir))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("clean up: %w", err)
	}
	d.say("Containers, images, volume and files of the tour are gone.")
	return nil
}

// removeContainers removes what the tour's own repo owns, and nothing else.
func (d *tour) removeContainers(ctx context.Context) error {
	rows, err := d.engine.List(ctx, map[string]string{"io.gitsync.owner": d.remote() + "#main"})
	if err != nil {
		return err
	}
	var errs []error
	for _, row := range rows {
		errs = append(errs, d.engine.Stop(ctx, row.ID), d.engine.Delete(ctx, row.ID))
	}
	return errors.Join(errs...)
}

// removeManifest removes the list of config files that gitsync keeps on a host. It
// is there when the engine is this machine's.
func (d *tour) removeManifest() error {
	origin := &container.Origin{Host: "web1", Owner: d.remote() + "#main"}
	for _, name := range []string{origin.Manifest(), origin.Staging()} {
		if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	// It stays when others keep lists there.
	_ = os.Remove(container.ManifestDir)
	return nil
}

func (d *tour) remote() string { return filepath.Join(d.dir, "infra.git") }
func (d *tour) policy() string { return filepath.Join(d.dir, "policy.yaml") }
func (d *tour) clone() string  { return filepath.Join(d.dir, "infra") }
