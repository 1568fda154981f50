package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/memory"
	"github.com/gitsync/gitsync/sync"
)

// openRemote returns the repo that the flags name.
func (s *settings) openRemote() (*gitrepo.Remote, error) {
	if s.repo == "" {
		return nil, withHint(errors.New("no repo given"), "set --repo URL or $GITSYNC_REPO")
	}
	auth := gitrepo.Auth{
		Username: s.gitUsername, CAFile: s.gitCAFile, SSHKeyFile: s.gitSSHKey,
		KnownHostsFile: s.gitKnownHosts, SSHAgentSocket: os.Getenv("SSH_AUTH_SOCK"),
		Password: os.Getenv("GITSYNC_GIT_TOKEN"),
	}
	if s.gitTokenFile != "" {
		token, err := os.ReadFile(s.gitTokenFile)
		if err != nil {
			return nil, fmt.Errorf("read the token: %w", err)
		}
		auth.Password = strings.TrimSpace(string(token))
	}
	if auth.Password != "" && auth.Username == "" {
		auth.Username = "git"
	}
	return gitrepo.NewRemote(s.repo, auth)
}

// openSyncer returns a syncer for the flags, and what closes it. keep says whether
// fetched objects are kept in the data directory, which one process at a time may
// use. The changes are made to the options last.
func (s *settings) openSyncer(path string, keep bool, progress func(runtime.PullProgress), changes ...func(*sync.Options)) (*sync.Syncer, func(), error) {
	opts := sync.Options{
		Branch: s.branch, StateBranch: s.stateBranch, Path: path, Hosts: s.hosts,
		Author: author(), Progress: progress, DockerHost: os.Getenv("DOCKER_HOST"),
	}
	closeRemote := func() {}
	if s.repo != "" || path == "" {
		remote, err := s.openRemote()
		if err != nil {
			return nil, nil, err
		}
		opts.Remote = remote
		closeRemote = func() { _ = remote.Close() }
	}
	if keep {
		opts.DataDir = filepath.Join(s.data(), "repos", digest(opts.Remote.Identity()+"#"+s.branch))
	}
	if s.runtime == runtimeMemory {
		opts.Connector = s.connectMemory
	}
	for _, change := range changes {
		change(&opts)
	}
	syncer, err := sync.New(opts)
	if err != nil {
		closeRemote()
		return nil, nil, err
	}
	return syncer, func() {
		_ = syncer.Close()
		closeRemote()
	}, nil
}

// connectMemory is a container.Connector whose machines exist in files of the
// data directory only.
func (s *settings) connectMemory(_ context.Context, h host.Host, config container.RuntimeConfig) (runtime.Runtime, func(), error) {
	machine := h.Address()
	if config.Docker != nil {
		machine += " " + config.Docker.Host
	}
	rt, err := (&memory.Config{File: filepath.Join(s.data(), "memory", digest(machine)+".json")}).New()
	return rt, func() {}, err
}

// data returns the data directory.
func (s *settings) data() string {
	switch {
	case s.dataDir != "":
		return s.dataDir
	case os.Geteuid() == 0:
		return "/var/lib/gitsync"
	case os.Getenv("XDG_STATE_HOME") != "":
		return filepath.Join(os.Getenv("XDG_STATE_HOME"), "gitsync")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		home = os.TempDir()
	}
	return filepath.Join(home, ".local", "state", "gitsync")
}

func author() gitrepo.Signature {
	name, err := os.Hostname()
	if err != nil {
		name = "localhost"
	}
	return gitrepo.Signature{Name: "gitsync", Email: "gitsync@" + name}
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}
