package secret

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// DefaultTimeout bounds a command that gives a secret.
const DefaultTimeout = 30 * time.Second

// External are the secrets that the agent's own configuration names, by their names. No
// repo can say where they come from.
type External map[string]Source

// Source is where an external secret comes from: one of Env, File and Exec.
type Source struct {
	// Env is the name of an environment variable.
	Env string
	// File is a path on the machine that gitsync runs on.
	File string
	// Exec is a program with its arguments, which prints the secret. It is run without a
	// shell.
	Exec []string
	// Timeout bounds the program; [DefaultTimeout] when it is 0.
	Timeout time.Duration
	// Hosts are the hosts that may use it, by names or globs; empty means all.
	Hosts []string
}

// For returns the names of the secrets that a host may use, sorted.
func (e External) For(host string) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(e)), func(name string) bool { return !e[name].allows(host) })
}

func (s Source) allows(host string) bool {
	return len(s.Hosts) == 0 || slices.ContainsFunc(s.Hosts, func(glob string) bool {
		matched, err := path.Match(glob, host)
		return err == nil && matched
	})
}

// ParseExternal reads the agent's file of secrets. All mistakes are in the error, one a
// line, each with the file's name, line and column.
//
//	secrets:
//	  db_password: {exec: [vault, kv, get, -field=password, secret/db], timeout: 10s}
//	  tls_key: {file: /run/credentials/tls.key, hosts: [web*]}
//	  api_token: {env: API_TOKEN}
func ParseExternal(data []byte, file string) (External, error) {
	p := &externalParser{file: file, found: External{}}
	var document yaml.Node
	err := yaml.NewDecoder(bytes.NewReader(data)).Decode(&document)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", file, err)
	case len(document.Content) != 1 || document.Content[0].Kind != yaml.MappingNode:
		return nil, fmt.Errorf("%s:1:1: the file must be a mapping: write secrets: and below it the names", file)
	}
	for key, value := range p.pairs(document.Content[0]) {
		if key.Value != "secrets" {
			p.bad(key, "unknown key %q: the one key of the file is secrets", shorten(key.Value))
			continue
		}
		for name, source := range p.pairs(value) {
			p.secret(name, source)
		}
	}
	return p.found, errors.Join(p.mistakes...)
}

type externalParser struct {
	file     string
	found    External
	mistakes []error
}

func (p *externalParser) bad(n *yaml.Node, format string, args ...any) {
	p.mistakes = append(p.mistakes, fmt.Errorf("%s:%d:%d: %s", p.file, n.Line, n.Column, fmt.Sprintf(format, args...)))
}

func (p *externalParser) pairs(n *yaml.Node) func(yield func(key, value *yaml.Node) bool) {
	return func(yield func(key, value *yaml.Node) bool) {
		if n.Kind != yaml.MappingNode {
			p.bad(n, "there must be a mapping here")
			return
		}
		seen := map[string]bool{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if seen[n.Content[i].Value] {
				p.bad(n.Content[i], "%q is there twice", shorten(n.Content[i].Value))
				continue
			}
			seen[n.Content[i].Value] = true
			if !yield(n.Content[i], n.Content[i+1]) {
				return
			}
		}
	}
}

func (p *externalParser) secret(name, value *yaml.Node) {
	if !ValidName(name.Value) {
		p.bad(name, "%q is no name of a secret: use letters, digits, _ and -", shorten(name.Value))
	}
	var s Source
	ways := 0
	for key, v := range p.pairs(value) {
		switch key.Value {
		case "env":
			s.Env = p.text(v)
			ways++
		case "file":
			if s.File = p.text(v); s.File != "" && !path.IsAbs(s.File) {
				p.bad(v, "file: write an absolute path")
			}
			ways++
		case "exec":
			s.Exec = p.list(v, "exec: write the program and its arguments as a list, such as [pass, show, db]")
			ways++
		case "hosts":
			s.Hosts = p.list(v, "hosts: write a list of names or globs")
			for _, glob := range s.Hosts {
				if _, err := path.Match(glob, ""); err != nil {
					p.bad(v, "hosts: %q is no glob", shorten(glob))
				}
			}
		case "timeout":
			d, err := time.ParseDuration(p.text(v))
			if err != nil || d <= 0 || d > 10*time.Minute {
				p.bad(v, "timeout: write a time of up to 10m, such as 30s")
			}
			s.Timeout = d
		default:
			p.bad(key, "unknown key %q: there are env, file, exec, timeout and hosts", shorten(key.Value))
		}
	}
	if ways != 1 {
		p.bad(name, "secret %s needs one of env, file and exec", shorten(name.Value))
	}
	p.found[name.Value] = s
}

func (p *externalParser) text(n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode || strings.TrimSpace(n.Value) == "" {
		p.bad(n, "there must be a text here")
		return ""
	}
	return n.Value
}

func (p *externalParser) list(n *yaml.Node, hint string) []string {
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		p.bad(n, "%s", hint)
		return nil
	}
	var items []string
	for _, item := range n.Content {
		items = append(items, p.text(item))
	}
	return items
}
