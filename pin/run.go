package pin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	stdsync "sync"

	"github.com/distribution/reference"
	"golang.org/x/sync/errgroup"
)

// Status is what is to say of an image.
type Status string

// What there is to say.
const (
	// Pinned is an image that got a digest, or would.
	Pinned Status = "pinned"
	// Updated is one that got another digest, or would.
	Updated Status = "updated"
	// Current is one that has its digest already.
	Current Status = "current"
	// Moved is one whose tag stands for another image than its digest.
	Moved Status = "moved"
	// Unpinned is one without a digest, where none is to be written.
	Unpinned Status = "unpinned"
	// Left is one that cannot be pinned in its file; the reason says why.
	Left Status = "left"
	// Failed is one about which the registry could not be asked.
	Failed Status = "failed"
)

// Options say what is pinned. The zero value pins all images that are not.
type Options struct {
	// Select are names or globs: of a host or a group, HOST/CONTAINER, or an image's name
	// without its tag. Empty means all images.
	Select []string
	// Update asks for the digests of images that are pinned already, too.
	Update bool
	// Check changes nothing, and says what is not pinned, or has moved.
	Check bool
	// DryRun changes nothing, and says what would be.
	DryRun bool
}

// Resolver returns the digest that the tag of an image stands for.
type Resolver func(ctx context.Context, image string) (string, error)

// Result is what there is to say of one image.
type Result struct {
	// File, Line and Column are where the image is written.
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	// Containers are those of the file that have it.
	Containers []string `json:"containers"`
	// Image is the text in the file, and Pinned the one with the digest.
	Image  string `json:"image"`
	Pinned string `json:"pinned,omitempty"`
	Status Status `json:"status"`
	// Reason says why an image was left, or what failed.
	Reason string `json:"reason,omitempty"`

	file  *file
	index int
	// asked is the reference whose tag is asked for, and digest the one that is there.
	asked, digest string
}

// ErrNotWritten means that something failed, so that no file was changed.
var ErrNotWritten = errors.New("no file was changed")

// Run pins the images in the working copy. The results are there also with an error, which
// holds all that failed.
//
// Errors: [ErrNotWritten], and what keeps the files from being read.
func Run(ctx context.Context, root *os.Root, resolve Resolver, opts Options) ([]Result, error) {
	files, err := readFiles(root)
	if err != nil {
		return nil, err
	}
	uses, err := usesOf(ctx, root, files)
	if err != nil {
		return nil, err
	}
	var results []*Result
	for _, f := range files {
		for i := range f.images {
			r := newResult(f, i)
			if opts.selects(r) {
				uses.judge(r, opts)
				results = append(results, r)
			}
		}
	}
	if err := opts.checkMatched(files); err != nil {
		return nil, err
	}
	failures := ask(ctx, results, resolve, opts)
	if failures == nil && !opts.Check {
		failures = edit(files, results)
	}
	if failures == nil && !opts.Check && !opts.DryRun {
		failures = writeFiles(root, files)
	}
	if failures != nil && !opts.Check {
		failures = fmt.Errorf("%w: %w", ErrNotWritten, failures)
	}
	out := make([]Result, 0, len(results))
	for _, r := range results {
		out = append(out, *r)
	}
	return out, failures
}

func newResult(f *file, index int) *Result {
	image := f.images[index]
	return &Result{File: f.path, Line: image.Line, Column: image.Column, Containers: image.Containers, Image: image.Text, file: f, index: index}
}

// place names the image for a person.
func (r *Result) place() string { return fmt.Sprintf("%s:%d:%d", r.File, r.Line, r.Column) }

// asking is how many tags are asked for at once.
const asking = 8

// ask asks for the digests, each tag once, and sets what is to be said. The error holds all
// that failed.
func ask(ctx context.Context, results []*Result, resolve Resolver, opts Options) error {
	var mu stdsync.Mutex
	digests, failures := map[string]string{}, map[string]error{}
	var group errgroup.Group
	group.SetLimit(asking)
	begun := map[string]bool{}
	for _, r := range results {
		if r.Status != "" || begun[r.asked] {
			continue
		}
		begun[r.asked] = true
		group.Go(func() error {
			digest, err := resolve(ctx, r.asked)
			mu.Lock()
			defer mu.Unlock()
			digests[r.asked], failures[r.asked] = digest, err
			return nil
		})
	}
	_ = group.Wait()
	var errs []error
	for _, r := range results {
		if r.Status != "" {
			continue
		}
		if err := failures[r.asked]; err != nil {
			r.Status, r.Reason = Failed, err.Error()
			errs = append(errs, fmt.Errorf("%s: %w", r.place(), err))
			continue
		}
		r.answer(digests[r.asked], opts)
	}
	return errors.Join(errs...)
}

// answer says what a digest means for an image.
func (r *Result) answer(digest string, opts Options) {
	text, old, pinned := strings.Cut(r.Image, "@")
	switch {
	case r.digest == digest:
		r.Status = Current
		return
	case r.digest != "" && opts.Check:
		r.Status, r.Reason = Moved, fmt.Sprintf("%s is %s now", r.asked, digest)
		return
	case r.digest != "" && (!pinned || strings.Contains(old, "${")):
		r.Status, r.Reason = Left, "its digest comes from a variable: change it there"
		return
	case r.digest != "":
		r.Status = Updated
	default:
		r.Status = Pinned
		if !hasTag(r.asked) {
			// Without a tag nobody could ask again what it stands for.
			text += ":latest"
		}
	}
	r.Pinned = text + "@" + digest
}

func hasTag(image string) bool {
	named, err := reference.ParseNormalizedNamed(image)
	return err == nil && !reference.IsNameOnly(named)
}

// edit makes the new contents of the files. The error holds all that failed.
func edit(files []*file, results []*Result) error {
	texts := map[*file]map[int]string{}
	for _, r := range results {
		if r.Pinned == "" {
			continue
		}
		if texts[r.file] == nil {
			texts[r.file] = map[int]string{}
		}
		texts[r.file][r.index] = r.Pinned
	}
	var errs []error
	for _, f := range files {
		if texts[f] == nil {
			continue
		}
		var err error
		if f.after, err = Edit(f.data, f.images, texts[f]); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", f.path, err))
		}
	}
	return errors.Join(errs...)
}

// Worst says what is to be found by a check: whether an image is not pinned, or has moved.
func Worst(results []Result) bool {
	return slices.ContainsFunc(results, func(r Result) bool { return r.Status != Current })
}
