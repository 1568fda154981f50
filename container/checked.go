package container

import (
	"slices"
	"strings"
)

// Unchecked is what a check did not compare of a container, so that the check says nothing
// about it: it is neither in [HostPlan.Drift] nor the same.
type Unchecked struct {
	Container string `json:"container"`
	Depth     Depth  `json:"depth"`
	// Fields are those of the depth that were not compared; none means all of them.
	Fields []string `json:"fields,omitempty"`
	// Why is a phrase, such as "this check did not read config files".
	Why string `json:"why"`
	// Failed says that the check tried to, and could not: else it had no reason to, or
	// there was nothing to compare.
	Failed bool `json:"failed,omitempty"`
}

// DepthOf says how deep one must look to see a drift of this field.
func DepthOf(field string) Depth {
	switch name, _, _ := strings.Cut(field, "."); name {
	case "status", "health", "name", "duplicate", "unexplained":
		return Presence
	case "configFiles":
		return Files
	}
	return Configuration
}

// Checked says whether the check that led to the plan compared a field of a container.
// When it did, and the field is not in [HostPlan.Drift], it is as it was deployed.
func (p HostPlan) Checked(key, field string) bool {
	name, _, _ := strings.Cut(field, ".")
	return !slices.ContainsFunc(p.Unchecked, func(u Unchecked) bool {
		return u.Container == key && u.Depth == DepthOf(field) &&
			(len(u.Fields) == 0 || slices.Contains(u.Fields, field) || slices.Contains(u.Fields, name))
	})
}

// unchecked returns what was not compared. Where the policy wants nothing compared, or
// where there never was a container, nothing is left out.
func (d *decision) unchecked(current Current) []Unchecked {
	if d.desired == nil || d.policyFor().policy() == Ignore || d.main == nil && !d.wasDeployed() {
		return nil
	}
	if !d.compared {
		why := "a commit changes it"
		if d.old != nil {
			why = "an update of it was interrupted"
		}
		return []Unchecked{
			{Container: d.key, Depth: Presence, Why: why}, {Container: d.key, Depth: Configuration, Why: why}, {Container: d.key, Depth: Files, Why: why},
		}
	}
	if d.main == nil {
		const why = "it is missing"
		return []Unchecked{{Container: d.key, Depth: Configuration, Why: why}, {Container: d.key, Depth: Files, Why: why}}
	}
	return append(d.uncheckedSettings(current), d.uncheckedFiles(current)...)
}

func (d *decision) uncheckedSettings(current Current) []Unchecked {
	facts, asked := current.Facts[d.key]
	if !asked || facts.ID != d.main.ID {
		return []Unchecked{{Container: d.key, Depth: Configuration, Why: "this check did not ask for its settings"}}
	}
	var left []Unchecked
	if len(facts.Unknown) > 0 {
		left = append(left, Unchecked{d.key, Configuration, facts.Unknown, "the engine does not tell it as it was asked for", false})
	}
	if recorded := idOf(d.previous); current.Filled == nil && len(facts.Filled) > 0 && recorded != "" && recorded != facts.ID {
		left = append(left, Unchecked{d.key, Configuration, sortedKeys(facts.Filled), "what the engine fills in could not be found out", true})
	}
	return left
}

func (d *decision) uncheckedFiles(current Current) []Unchecked {
	var fields []string
	for _, path := range sortedKeys(d.desired.ConfigFiles) {
		if _, looked := current.Files[path]; !looked {
			fields = append(fields, "configFiles."+path)
		}
	}
	if len(fields) == 0 {
		return nil
	}
	why, failed := current.FileErrors[d.key]
	if !failed {
		why = "this check did not read config files"
	}
	return []Unchecked{{d.key, Files, fields, why, failed}}
}
