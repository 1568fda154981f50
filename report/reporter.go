package report

import (
	"context"
	"errors"
	"fmt"
	"strings"
	stdsync "sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/gitsync/gitsync/report/forge"
)

// FlushTime bounds [Reporter.Flush].
const FlushTime = 10 * time.Second

// Forge is told about commits. Its errors may be those of package forge, which say
// whether to try again.
type Forge interface {
	// Status sets a commit status. To set the one that is there already is no error.
	Status(ctx context.Context, s forge.Status) error
	// Deployment records a deployment, or its new state.
	Deployment(ctx context.Context, d forge.Deployment) error
}

// Notifier tells people. Of a message that some of them could not be told it returns an
// error, and is handed it again.
type Notifier interface {
	Send(ctx context.Context, title, body string) error
}

// Options say what is told to whom. The zero value tells nobody.
type Options struct {
	// Forge gets statuses and deployments; nil for none.
	Forge Forge
	// Target names the repo and the forge that it is at: after a change of it, what was
	// told before counts for nothing.
	Target string
	// Statuses say how commit statuses are named. Their prefix and instance begin the
	// titles of messages too.
	Statuses StatusOptions
	// Deployments adds deployment records.
	Deployments bool
	// Branch is the one that is deployed, for deployment records.
	Branch string
	// Notifier gets messages; nil for none.
	Notifier Notifier
	// File is where that is kept which is not told yet; empty for memory only. One
	// process at a time may use it.
	File string
}

// Reporter tells a forge and people what became of commits: in order, once, and later
// when it cannot be now.
type Reporter struct {
	options Options
	name    string
	// Each lane has an order of its own: a chat that hangs does not hold up a status.
	forge, people *lane

	mu  stdsync.Mutex
	box *outbox
	// damaged is why the file could not be used, and unwritten why it could not be
	// written; each is logged once.
	damaged, unwritten error
}

// New returns a reporter with what an earlier process left in the file. A file that
// cannot be used is started anew, with a warning at the first use.
func New(o Options) *Reporter {
	name := or(o.Statuses.Prefix, "gitsync")
	if o.Statuses.Instance != "" {
		name += "/" + o.Statuses.Instance
	}
	r := &Reporter{options: o, name: name}
	r.box, r.damaged = readOutbox(o.File)
	r.box.keepFor(o.Target, o.Forge != nil, o.Notifier != nil)
	r.forge = newLane("forge", func(e entry) bool { return e.Message == nil })
	r.people = newLane("notifications", func(e entry) bool { return e.Message != nil })
	r.forge.until = r.box.Until
	return r
}

// Tell takes up what is to be told of a fleet. It waits for nobody and cannot fail: what
// it takes up is told by [Reporter.Run] or [Reporter.Flush].
func (r *Reporter) Tell(ctx context.Context, f Fleet) {
	if r.options.Forge == nil && r.options.Notifier == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.options.Forge != nil {
		r.tellForge(f)
	}
	if r.options.Notifier != nil {
		for _, m := range messages(r.name, r.box.Memory, f) {
			r.box.put(entry{Message: &m, Queued: time.Now()})
		}
	}
	r.box.Memory = r.box.Memory.next(f)
	if n := r.box.shrink(); n > 0 {
		zerolog.Ctx(ctx).Warn().Int("dropped", n).Msg("too much is waiting to be told: the oldest was dropped")
	}
	r.save(ctx)
	r.forge.nudge()
	r.people.nudge()
}

// tellForge takes up statuses and deployments.
func (r *Reporter) tellForge(f Fleet) {
	statuses := Statuses(f, r.options.Statuses)
	ended, endedRecords := superseded(r.box.Memory, f.Commit)
	r.box.size = 2 * len(statuses)
	for _, s := range append(ended, statuses...) {
		r.box.put(entry{Status: &s, Queued: time.Now()})
	}
	if f.Commit == "" {
		return
	}
	r.box.Memory.Pending, r.box.Memory.Deploying = nil, nil
	for _, s := range statuses {
		if s.State == forge.Pending {
			r.box.Memory.Pending = append(r.box.Memory.Pending, s)
		}
	}
	if !r.options.Deployments {
		return
	}
	r.box.size *= 2
	for _, d := range endedRecords {
		r.box.put(entry{Deployment: &d, Queued: time.Now()})
	}
	for _, record := range records(f, r.options.Branch, r.options.Statuses.TargetURL) {
		e := entry{Deployment: &record.Deployment, Queued: time.Now()}
		if record.follows && !r.box.about(e.key()) {
			continue
		}
		r.box.put(e)
		if record.State == forge.Pending {
			r.box.Memory.Deploying = append(r.box.Memory.Deploying, record.Deployment)
		}
	}
}

// Run tells what is to be told until the context is cancelled, which is no error. What
// is left then is in the file.
func (r *Reporter) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, l := range r.lanes() {
		group.Go(func() error {
			r.work(ctx, l)
			return nil
		})
	}
	return group.Wait()
}

// Flush tells at once what can be told within [FlushTime], for a process that ends. It
// waits for no rate limit and tries nothing twice. Its error says what is left, and
// whether it is kept.
func (r *Reporter) Flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, FlushTime)
	defer cancel()
	var group stdsync.WaitGroup
	for _, l := range r.lanes() {
		group.Go(func() { r.flush(ctx, l) })
	}
	group.Wait()

	r.mu.Lock()
	defer r.mu.Unlock()
	var left []string
	for _, what := range []struct {
		noun string
		is   func(entry) bool
	}{
		{"commit status update", func(e entry) bool { return e.Status != nil }},
		{"deployment record", func(e entry) bool { return e.Deployment != nil }},
		{"message", func(e entry) bool { return e.Message != nil }},
	} {
		n := 0
		for _, e := range r.box.Queue {
			if what.is(e) {
				n++
			}
		}
		if n > 0 {
			left = append(left, count(n, what.noun))
		}
	}
	switch {
	case len(left) == 0:
		return nil
	case r.options.File == "":
		return errors.New(strings.Join(left, ", ") + " could not be sent, and will not be")
	}
	return fmt.Errorf("%s could not be sent yet; the next run does, from %s", strings.Join(left, ", "), r.options.File)
}

func (r *Reporter) lanes() []*lane { return []*lane{r.forge, r.people} }

// save writes the file. Who calls it holds the mutex.
func (r *Reporter) save(ctx context.Context) {
	if r.damaged != nil {
		zerolog.Ctx(ctx).Warn().Err(r.damaged).Msg("what was to be told is lost: starting anew")
		r.damaged = nil
	}
	err := r.box.write(r.options.File)
	if err != nil && r.unwritten == nil {
		zerolog.Ctx(ctx).Warn().Err(err).Msg("what is not told when gitsync ends will be lost")
	}
	r.unwritten = err
}
