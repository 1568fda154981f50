package pin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/gitsync/gitsync/layout"
)

// uses are what hosts make of the images that hold variables, by the places where these are
// written.
type uses struct {
	byPlace map[layout.Place][]use
	invalid []string
}

type use struct{ host, image string }

// usesOf asks the layout, where that is needed at all.
func usesOf(ctx context.Context, root *os.Root, files []*file) (*uses, error) {
	u := &uses{byPlace: map[layout.Place][]use{}}
	if !slices.ContainsFunc(files, func(f *file) bool {
		return slices.ContainsFunc(f.images, func(i Image) bool { return hasVariable(i.Text) })
	}) {
		return u, nil
	}
	repo, err := layout.NewLoader().Load(ctx, root.FS(), layout.Options{Explain: true})
	if errors.Is(err, layout.ErrNoHosts) {
		return u, nil
	}
	if err != nil {
		return nil, err
	}
	for _, h := range repo.Invalid {
		u.invalid = append(u.invalid, h.Name)
	}
	for _, h := range repo.Hosts {
		if h.Merged == nil {
			continue
		}
		for _, o := range h.Merged.Origins() {
			isImage := len(o.Path) == 2 || len(o.Path) == 4 && o.Path[1] == "container"
			c := h.Containers[o.Path[0]]
			if isImage && o.Path[len(o.Path)-1] == "image" && !o.Removed && c != nil {
				u.byPlace[o.Place] = append(u.byPlace[o.Place], use{h.Name, c.Container.Config.Image})
			}
		}
	}
	return u, nil
}

func hasVariable(text string) bool { return strings.Contains(text, "${") }

// judge sets what is asked for an image, or what is to be said without asking.
func (u *uses) judge(r *Result, opts Options) {
	left := func(format string, args ...any) {
		r.Status, r.Reason = Left, fmt.Sprintf(format, args...)
	}
	if err := r.file.images[r.index].Err; err != nil {
		left("%v", err)
		return
	}
	image := r.Image
	if hasVariable(image) {
		var why string
		if image, why = u.resolve(r); why != "" {
			left("%s", why)
			return
		}
	}
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		left("%q is no image reference: gitsync validate says more", image)
		return
	}
	r.asked = image
	digested, pinned := named.(reference.Digested)
	_, tagged := named.(reference.Tagged)
	if pinned {
		r.digest = digested.Digest().String()
		r.asked, _, _ = strings.Cut(image, "@")
	}
	switch {
	case pinned && (!tagged || !opts.Update && !opts.Check):
		// Without a tag there is nothing that could move.
		r.Status = Current
	case !pinned && opts.Check:
		r.Status = Unpinned
	}
}

// resolve returns what all hosts make of an image with variables, or why there is no such
// thing.
func (u *uses) resolve(r *Result) (image, why string) {
	found := u.byPlace[layout.Place{File: r.File, Line: r.Line, Column: r.Column}]
	for _, use := range found {
		if use.image != found[0].image {
			return "", fmt.Sprintf("its variables differ: it is %s for %s and %s for %s; write the image in the files of the hosts", found[0].image, found[0].host, use.image, use.host)
		}
	}
	// A host that does not validate may use a group with other variables.
	isGroups := strings.HasPrefix(r.File, "groups/")
	switch {
	case len(u.invalid) > 0 && (isGroups || len(found) == 0):
		return "", "its variables are not known for hosts that do not validate: " + strings.Join(u.invalid, ", ") + " (gitsync validate says why)"
	case len(found) == 0:
		return "", "no host uses it, so its variables are not known"
	}
	return found[0].image, ""
}

// names are what an image can be selected by.
func (r *Result) names() []string {
	names := []string{r.file.owner}
	for _, container := range r.Containers {
		names = append(names, r.file.owner+"/"+container)
	}
	if named, err := reference.ParseNormalizedNamed(r.Image); err == nil {
		names = append(names, reference.FamiliarName(named), named.Name())
	} else if name, _, _ := strings.Cut(r.Image, ":"); !hasVariable(name) {
		names = append(names, name)
	}
	return names
}

func matches(pattern string, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		matched, err := path.Match(pattern, name)
		return err == nil && matched || pattern == name
	})
}

// selects says whether an image is one of those that were asked for.
func (o Options) selects(r *Result) bool {
	return len(o.Select) == 0 || slices.ContainsFunc(o.Select, func(pattern string) bool { return matches(pattern, r.names()) })
}

// checkMatched returns an error for what selects nothing.
func (o Options) checkMatched(files []*file) error {
	var errs []error
	for _, pattern := range o.Select {
		if !slices.ContainsFunc(files, func(f *file) bool {
			for i := range f.images {
				if matches(pattern, newResult(f, i).names()) {
					return true
				}
			}
			return false
		}) {
			errs = append(errs, fmt.Errorf("%q selects no image: write the name of a host or a group, HOST/CONTAINER, or an image without its tag", pattern))
		}
	}
	return errors.Join(errs...)
}
