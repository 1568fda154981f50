package types

import (
	"maps"
	"strings"
)

// LabelPrefix begins the labels of gitsync's own. A container gets the labels of its image
// too, so that one of these counts only where the image does not carry it.
const LabelPrefix = "io.gitsync."

// HasOwnLabel says whether one of the labels is of gitsync's own, or pretends to be.
func HasOwnLabel(labels map[string]string) bool {
	for key := range labels {
		if strings.HasPrefix(key, LabelPrefix) {
			return true
		}
	}
	return false
}

// OwnLabels returns those of the labels that are of gitsync's own, or pretend to be; nil
// when there are none.
func OwnLabels(labels map[string]string) map[string]string {
	if !HasOwnLabel(labels) {
		return nil
	}
	own := maps.Clone(labels)
	maps.DeleteFunc(own, func(key, _ string) bool { return !strings.HasPrefix(key, LabelPrefix) })
	return own
}

// labelSpec is written, with a digest, on each container that gitsync deploys, and with it
// these.
const labelSpec = LabelPrefix + "spec"

func isWrittenWithSpec(key string) bool {
	switch key {
	case LabelPrefix + "host", LabelPrefix + "container", LabelPrefix + "commit", LabelPrefix + "owner":
		return true
	}
	return false
}

// WithoutImageLabels returns a container's labels without those of gitsync's own that its
// image carries with the same value: whoever created the container may not have written
// them. A label that has another value than in the image was written at the creation. Where
// that is the spec digest, gitsync wrote it, and what it writes beside it counts too: so a
// container of an image that was made of a container of ours stays ours.
func WithoutImageLabels(labels, image map[string]string) map[string]string {
	if !HasOwnLabel(image) {
		return labels
	}
	deployed := labels[labelSpec] != "" && labels[labelSpec] != image[labelSpec]
	left := maps.Clone(labels)
	maps.DeleteFunc(left, func(key, value string) bool {
		carried, there := image[key]
		return there && carried == value && strings.HasPrefix(key, LabelPrefix) && (!deployed || !isWrittenWithSpec(key))
	})
	return left
}
