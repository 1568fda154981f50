// Package registry knows with what a registry is logged in to, and asks registries for
// the digests of tags.
//
// A [Credential] belongs to one registry, and is given out for that one only: [Of] says
// from which registry an image comes, by the rules of the engine, and [Credentials] are
// asked with just that name. Names are compared whole, port included: a login for
// registry.example.com is none for registry.example.com:5000, and none for
// registry.example.com.example.org.
//
// [Logins] are those that a host's settings name; their passwords are references to
// secrets, which are opened at the moment of use. registry/dockerconfig reads those of
// Docker's CLI.
//
// A [Client] asks a registry what a tag stands for. Whatever the registry answers, that
// ends soon, reads little, and gives a credential to nobody else than the registry and
// the token service that it names; see [Client.Digest].
package registry
