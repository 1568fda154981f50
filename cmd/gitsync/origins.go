package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gitsync/gitsync/layout"
	"github.com/gitsync/gitsync/sync"
)

// secretive are the keys whose values may be secret.
var secretive = []string{"env", "labels", "args", "entrypoint", "configFiles", "healthcheck"}

// shown returns the value of an origin, unless it may be a secret.
func shown(o layout.Origin) string {
	if slices.ContainsFunc(o.Path[1:], func(key string) bool { return slices.Contains(secretive, key) }) {
		return ""
	}
	return o.Value
}

// setting names what an origin is about: web.env.TZ.
func setting(o layout.Origin) string { return strings.Join(o.Path, ".") }

// origins says where the settings of a host come from.
func (t *textPrinter) origins(b *strings.Builder, h *sync.HostResult) {
	if h.Host.Merged == nil {
		return
	}
	origins := h.Host.Merged.Origins()
	width := 0
	for _, o := range origins {
		width = max(width, len(setting(o)))
	}
	fmt.Fprintf(b, "  %s\n", "settings, and where they are written:")
	for _, o := range origins {
		line := fmt.Sprintf("%-*s  %s", width, setting(o), o.Place)
		switch value := shown(o); {
		case o.Removed:
			line += "  removes it"
		case value != "":
			line += "  " + value
		}
		if len(o.Vars) > 0 {
			line += "  with " + varsText(o.Vars)
		}
		if len(o.Overrides) > 0 {
			line += "  over " + placesText(o.Overrides)
		}
		fmt.Fprintf(b, "    %s\n", clean(line))
	}
}

func varsText(vars []layout.VarOrigin) string {
	var parts []string
	for _, v := range vars {
		text := "${" + v.Name + "}"
		if v.Place.File != "" {
			text += " from " + v.Place.String()
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

func placesText(places []layout.Place) string {
	var parts []string
	for _, p := range places {
		parts = append(parts, p.String())
	}
	return strings.Join(parts, ", ")
}

// originJSON says where a setting comes from.
type originJSON struct {
	Container string         `json:"container"`
	Setting   []string       `json:"setting"`
	Value     string         `json:"value,omitempty"`
	Removed   bool           `json:"removed,omitempty"`
	Place     layout.Place   `json:"place"`
	Overrides []layout.Place `json:"overrides,omitempty"`
	Variables []string       `json:"variables,omitempty"`
}

func originsJSON(h *sync.HostResult) []originJSON {
	if h.Host.Merged == nil {
		return nil
	}
	var all []originJSON
	for _, o := range h.Host.Merged.Origins() {
		entry := originJSON{Container: o.Path[0], Setting: o.Path[1:], Value: shown(o), Removed: o.Removed, Place: o.Place, Overrides: o.Overrides}
		for _, v := range o.Vars {
			entry.Variables = append(entry.Variables, v.Name)
		}
		all = append(all, entry)
	}
	return all
}
