package layout

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// variable is an entry of vars in host.yaml.
type variable struct {
	node *yaml.Node
	at   position
}

var variableName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_-]{0,127}$`)

// decodeVars reads vars in host.yaml: names and their values, which are scalars.
func decodeVars(d *decoder, n *yaml.Node) map[string]variable {
	vars := map[string]variable{}
	for _, p := range d.pairs("vars", n) {
		if !variableName.MatchString(p.key.Value) {
			d.bad(p.key, "use letters, digits, _ and -, beginning with a letter or _", "%s is no name of a variable", quoted(p.key.Value))
			continue
		}
		if _, ok := d.scalar("vars."+p.key.Value, p.value); ok {
			vars[p.key.Value] = variable{resolve(p.value), d.at(p.key)}
		}
	}
	return vars
}

// substitution replaces ${vars.x} and ${host.name} in the values of a YAML file.
// Other texts with a $ are left alone, and $${ stands for ${ before vars. and host.
type substitution struct {
	*decoder
	host string
	// vars are nil where they are being defined.
	vars map[string]variable
	// names are those of the variables, sorted, once somebody asks for one that is not there.
	names []string
	// noted holds what is in the decoder's used.
	noted map[usedIn]bool
	// grown is by how many bytes the file has become larger.
	grown int
	// skip is a node that was done before.
	skip *yaml.Node
}

// usedIn is a variable in a value.
type usedIn struct {
	node *yaml.Node
	name string
}

// run replaces the variables in all values below and with n. Aliases are not
// followed: what they stand for is met at its own place.
func (s *substitution) run(n *yaml.Node) {
	if n == s.skip {
		return
	}
	switch n.Kind {
	case yaml.ScalarNode:
		s.scalarNode(n)
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if key := n.Content[i]; key.Kind == yaml.ScalarNode && hasVariable(key.Value) {
				s.bad(key, "write the key as it is", "%s: there are no variables in keys", quoted(key.Value))
				s.breakOff(key)
			}
			s.run(n.Content[i+1])
		}
	default:
		for _, child := range n.Content {
			s.run(child)
		}
	}
}

// hasVariable says whether there is a variable in the text, escaped or not.
func hasVariable(text string) bool {
	return strings.Contains(text, "${vars.") || strings.Contains(text, "${host.")
}

var variableText = regexp.MustCompile(`\$?\$\{(vars|host)\.([^}\s]*)(\}?)`)

// scalarNode replaces the variables of one value. A value without quotes that is a
// variable and nothing else takes the variable's type.
func (s *substitution) scalarNode(n *yaml.Node) {
	if !hasVariable(n.Value) || s.grown > MaxYAMLBytes {
		return
	}
	plain := n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
	failed, literal := false, false
	var whole *yaml.Node
	value := variableText.ReplaceAllStringFunc(n.Value, func(match string) string {
		if strings.HasPrefix(match, "$$") {
			literal = true
			return match[1:]
		}
		if s.grown > MaxYAMLBytes {
			// One value may name a variable a hundred thousand times.
			return ""
		}
		replacement, text, ok := s.lookUp(n, match)
		if !ok {
			failed = true
			return match
		}
		if match == n.Value {
			whole = replacement
		}
		s.grown += len(text) - len(match)
		return text
	})
	if s.grown > MaxYAMLBytes {
		s.bad(n, "make the variables shorter", "the variables make the file larger by more than %d bytes", MaxYAMLBytes)
		return
	}
	if failed {
		s.breakOff(n)
		return
	}
	n.Value = value
	switch {
	case !plain:
	case whole != nil:
		n.Tag, n.Style = whole.Tag, whole.Style&^yaml.TaggedStyle
	case literal:
		n.Tag = "!!str"
	default:
		if n.Tag = ""; n.ShortTag() == "!!null" {
			n.Tag, n.Style = "!!str", yaml.DoubleQuotedStyle
		}
	}
}

// breakOff says that nothing more is to be said about a value, whose mistake is
// recorded.
func (s *substitution) breakOff(n *yaml.Node) {
	if s.broken == nil {
		s.broken = map[position]bool{}
	}
	s.broken[s.at(n)] = true
}

// lookUp returns what a variable stands for: a node for those of host.yaml.
func (s *substitution) lookUp(n *yaml.Node, match string) (node *yaml.Node, text string, ok bool) {
	if !strings.HasSuffix(match, "}") {
		s.bad(n, "write ${vars.name}, or $${ for the text itself", "%s is not closed", quoted(match))
		return nil, "", false
	}
	name := strings.TrimSuffix(strings.TrimPrefix(match, "${"), "}")
	if name == "host.name" {
		s.note(n, name)
		return nil, s.host, true
	}
	key, isVar := strings.CutPrefix(name, "vars.")
	switch v, known := s.vars[key]; {
	case !isVar:
		s.bad(n, "there is ${host.name}, and ${vars.…} for what host.yaml defines; write $${ for the text itself", "there is no variable %s", match)
	case s.vars == nil:
		s.bad(n, "write the value itself", "%s: variables cannot refer to each other", match)
	case !known:
		if s.names == nil {
			s.names = slices.Sorted(maps.Keys(s.vars))
		}
		g := s.guess(key, s.names, func(best string) string { return fmt.Sprintf("did you mean ${vars.%s}?", best) })
		hint := fmt.Sprintf("define it in %s/%s/%s: vars: {%s: …}; write $${ for the text itself", hostsDir, s.host, hostFile, key)
		s.unknown(s.at(n), g, hint, "variable %s is not defined for host %s", quoted("vars."+key), s.host)
	default:
		s.note(n, name)
		return v.node, v.node.Value, true
	}
	return nil, "", false
}

// note keeps by which variables a value was made.
func (s *substitution) note(n *yaml.Node, name string) {
	if s.used == nil {
		s.used = map[*yaml.Node][]string{}
	}
	if s.noted == nil {
		s.noted = map[usedIn]bool{}
	}
	if at := (usedIn{n, name}); !s.noted[at] {
		s.noted[at] = true
		s.used[n] = append(s.used[n], name)
	}
}

// escapeVariables returns text in which no variable is replaced.
func escapeVariables(text string) string {
	return variableText.ReplaceAllStringFunc(text, func(match string) string { return "$" + match })
}
