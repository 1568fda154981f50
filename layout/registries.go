package layout

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitsync/gitsync/registry"
)

var loginSchema = schema[registry.Login]{
	{key: "username", decode: decodeRegistryUser, aka: []string{"user", "login", "account"}},
	{key: "password", decode: decodeRegistryPassword, aka: []string{"pass", "passwd", "token", "secret", "auth"}},
}

// decodeRegistries reads the logins of registries. Nothing that could be a password is
// quoted in a mistake.
func decodeRegistries(d *decoder, what string, n *yaml.Node, r *reach) {
	if resolve(n).Kind != yaml.MappingNode {
		d.bad(resolve(n), `write registries: {registry.example.com: {username: ci, password: "${secret.registry}"}}`, "%s must be a mapping", what)
		return
	}
	first := map[string]*yaml.Node{}
	for _, p := range d.pairs(what, n) {
		written := p.key.Value
		if strings.Contains(written, "@") {
			d.bad(p.key, "write the registry's host name alone: who logs in is username below it", "%s: a registry's name holds an @", what)
			continue
		}
		if problem, hint := registry.CheckName(written); problem != "" {
			d.bad(p.key, hint, "%s: %s %s", what, quoted(written), problem)
			continue
		}
		name := registry.Canonical(written)
		if earlier, twice := first[name]; twice {
			d.bad(p.key, "remove one of them", "registry %s is already set in line %d", quoted(name), earlier.Line)
			continue
		}
		first[name] = p.key
		if login, ok := decodeLogin(d, below(what, written), p); ok {
			if r.registries == nil {
				r.registries = registry.Logins{}
			}
			r.registries[name] = login
		}
	}
}

const loginForm = `write {username: ci, password: "${secret.name}"}`

// decodeLogin reads an account of a registry.
func decodeLogin(d *decoder, what string, p pair) (login registry.Login, ok bool) {
	if resolve(p.value).Kind != yaml.MappingNode {
		d.bad(resolve(p.value), loginForm, "%s must be a mapping with username and password", what)
		return login, false
	}
	before := len(d.mistakes)
	loginSchema.decode(d, what, p.value, &login)
	for _, key := range []string{"username", "password"} {
		if len(d.mistakes) == before && !hasKey(d.keys(p.value), key) {
			d.bad(p.key, loginForm, "%s has no %s", what, key)
		}
	}
	return login, len(d.mistakes) == before
}

func decodeRegistryUser(d *decoder, what string, n *yaml.Node, into *registry.Login) {
	n = resolve(n)
	switch {
	case n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" || n.Value == "":
		d.bad(n, "write the name of the registry's account", "%s must be text", what)
	case strings.ContainsAny(n.Value, ":\n\r"):
		d.bad(n, "write the name of the account alone, and the password as password: ${secret.name}", "%s holds a colon or a line break", what)
	default:
		into.Username = n.Value
	}
}

func decodeRegistryPassword(d *decoder, what string, n *yaml.Node, into *registry.Login) {
	n = resolve(n)
	if n.Kind != yaml.ScalarNode || !registry.IsSecretReference(n.Value) {
		d.bad(n, "write ${secret.name} and put the password into the host's secrets; one that was ever committed in plain text is to be replaced at the registry",
			"%s must refer to a secret, and to nothing else: passwords have no place in the repo", what)
		return
	}
	into.Password = n.Value
	d.references = append(d.references, referenceAt{n.Value, d.at(n)})
}
