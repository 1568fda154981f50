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
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/host/ssh"
	"github.com/gitsync/gitsync/registry/dockerconfig"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/docker"
	"github.com/gitsync/gitsync/runtime/memory"
	"github.com/gitsync/gitsync/sync"
	"github.com/gitsync/gitsync/trust"
)

// openRemote returns the repo that the flags name.
func (s *settings) openRemote() (*gitrepo.Remote, error) {
	if s.repo == "" {
		return nil, withHint(errors.New("no repo given"), "set --repo URL or $GITSYNC_REPO")
	}
	auth := gitrepo.Auth{ //nolint:gosec // names where credentials are, and holds none
		Username: s.gitUsername, Password: strings.TrimSpace(os.Getenv("GITSYNC_GIT_TOKEN")), PasswordOrigin: "$GITSYNC_GIT_TOKEN", PasswordFile: s.gitTokenFile,
		CAFile: s.gitCAFile, SSH: s.sshOptions(s.gitSSHKey, s.gitKnownHosts),
	}
	if s.gitTokenFile != "" {
		// A remote that needs no token does not read it.
		if _, err := os.Stat(s.gitTokenFile); err != nil {
			return nil, fmt.Errorf("read the token: %w", err)
		}
	}
	return gitrepo.NewRemote(s.repo, auth)
}

// openSyncer returns a syncer for the flags, and what closes it. The changes are made to
// the options last.
func (s *settings) openSyncer(path string, use dataUse, progress func(runtime.PullProgress), changes ...func(*sync.Options)) (*sync.Syncer, func(), error) {
	for _, what := range s.misspelled {
		s.warn(what, nil)
	}
	s.misspelled = nil
	opts := sync.Options{
		Branch: s.branch, StateBranch: s.stateBranch, Path: path, Hosts: s.hosts,
		Author: author(), Progress: progress, DockerHost: (&docker.Config{}).GetAddress(),
		Parallel: s.parallel, Local: s.local || s.agent,
		Credentials: dockerconfig.Config{Path: s.dockerConfig}.Credential,
	}
	reach := s.reach()
	opts.Connector, opts.Way, opts.Sight = reach.connect, reach.way, reach.sight
	var err error
	if opts.Policy, opts.CurrentPolicy, err = openPolicy(s.policyFile); err != nil {
		return nil, nil, err
	}
	if err := openDataDir(s.data(), use == keeps || use == adopts); err != nil {
		return nil, nil, err
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
	if err := s.secrets.addTo(&opts, s.redactor); err != nil {
		closeRemote()
		return nil, nil, err
	}
	if opts.Remote != nil {
		var err error
		if opts.SecretKey, err = s.secretKey(s.repoDir(opts.Remote), s.remembers(opts.Remote, use)); err != nil {
			closeRemote()
			return nil, nil, err
		}
	}
	if use == keeps {
		opts.DataDir = s.repoDir(opts.Remote)
	} else if opts.Remote != nil && use == looks {
		opts.ReadOutbox = filepath.Join(s.repoDir(opts.Remote), sync.OutboxDir)
	}
	if err := s.trust(&opts, use); err != nil {
		closeRemote()
		return nil, nil, err
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

// dataUse is what a command does with the data directory.
type dataUse int

const (
	// looks heeds what is remembered there.
	looks dataUse = iota
	// records remembers there what it records, where a run on this machine keeps anything:
	// so that run knows it for its own.
	records
	// adopts remembers there in any case.
	adopts
	// keeps keeps fetched objects there too, which one process at a time may do.
	keeps
)

// remembers says whether the command writes to what is remembered of the repo.
func (s *settings) remembers(remote *gitrepo.Remote, use dataUse) bool {
	if use != records {
		return use == keeps || use == adopts
	}
	info, err := os.Stat(s.repoDir(remote))
	return err == nil && info.IsDir()
}

// trust says what of Git is believed, by what is remembered on this machine too.
func (s *settings) trust(opts *sync.Options, use dataUse) error {
	if opts.Remote == nil {
		return nil
	}
	var err error
	file, readOnly := filepath.Join(s.repoDir(opts.Remote), sync.MemoryFile), !s.remembers(opts.Remote, use)
	if s.verify.decides() {
		opts.Memory, err = trust.OpenMemory(file, readOnly)
	} else {
		opts.Memory, err = trust.OpenDispensable(file, readOnly, func(err error) { s.warn("what this gitsync remembered of the repo is lost, and begun again", err) })
	}
	if err != nil {
		return err
	}
	opts.Elsewhere = s.memoryOf
	opts.TrustRecords = s.verify.trustRecords
	if opts.Verify, err = s.verify.gate(opts.Memory); err != nil {
		return err
	}
	opts.Seal, err = s.verify.seal(s.sshPassphrase)
	if err == nil && use != looks {
		err = s.verify.writes()
	}
	return err
}

// memoryOf returns what is remembered on this machine of the repo and branch that
// containers' labels name as their owner; nil when nothing is.
func (s *settings) memoryOf(owner string) *trust.Memory {
	memory, err := trust.OpenMemory(filepath.Join(s.data(), "repos", digest(owner), sync.MemoryFile), true)
	if err != nil {
		return nil
	}
	return memory
}

// sshOptions are what logins over SSH have in common, with a key and known hosts.
func (s *settings) sshOptions(key, knownHosts string) ssh.Options {
	config := s.sshConfig
	if home, err := os.UserHomeDir(); config == "" && err == nil {
		if file := filepath.Join(home, ".ssh", "config"); isFile(file) {
			config = file
		}
	}
	if config == "none" {
		config = ""
	}
	return ssh.Options{
		KeyFile: key, PassphraseFile: s.sshPassphrase, UserKeys: true, KnownHostsFile: knownHosts,
		ConfigFile: config, AgentSocket: os.Getenv("SSH_AUTH_SOCK"), TrustOnFirstUse: s.sshTrust,
	}
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && !info.IsDir()
}

// findAgentHost makes the host of an agent the one that its engine runs on: in a
// container this process knows no other name of the machine.
func (s *settings) findAgentHost(ctx context.Context) error {
	if !s.agent || len(s.hosts) > 0 {
		return nil
	}
	if s.runtime == runtimeMemory {
		name, err := os.Hostname()
		s.hosts = []string{name}
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, agentTimeout)
	defer cancel()
	name, err := docker.HostName(ctx, docker.Config{CertPath: s.certPath})
	if err != nil {
		return withHint(fmt.Errorf("ask the engine for this machine's name: %w", err), "give it with --host")
	}
	s.hosts = []string{name}
	return nil
}

// agentTimeout bounds the question for the machine's name.
const agentTimeout = 30 * time.Second

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

// repoDir returns the part of the data directory that is for the repo and its branch.
func (s *settings) repoDir(remote *gitrepo.Remote) string {
	return filepath.Join(s.data(), "repos", digest(remote.Identity()+"#"+s.branch))
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
