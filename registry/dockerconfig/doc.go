// Package dockerconfig finds the credentials that Docker's CLI keeps: in config.json,
// and in the credential helpers that it names.
//
// The file is read each time, so that a docker login counts at once. A helper is the
// program docker-credential-NAME of the PATH. It is told the name of the registry and
// nothing else: variables of gitsync's own are not in its environment. It is cut off
// when it takes too long, and what it prints is bounded.
package dockerconfig
