package gitrepo

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	stdsync "sync"
	"sync/atomic"
	"time"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/transport"

	"github.com/gitsync/gitsync/host/ssh"
)

// endTime is how long a command may take to end by itself.
const endTime = 300 * time.Millisecond

// process is a git command at the other end of two pipes: on this machine, or on
// another one over SSH.
type process struct {
	in     io.WriteCloser
	out    io.Reader
	stderr *tail
	// end waits for the command, or ends it, and frees what it used.
	end func() error
}

// stream is a running command. It is ended once, by whoever is first.
type stream struct {
	*process
	// dir is the directory of the repo, and paced the command's output.
	dir    string
	paced  *paced
	stop   func() bool
	once   stdsync.Once
	endErr error
}

// openStream starts the command. When the context is done, or the command sends too
// little, it is ended, which ends whatever waits for its output. version is what it is
// asked for in GIT_PROTOCOL.
func (r *Remote) openStream(ctx context.Context, service, version string) (*stream, error) {
	start := r.startLocal
	if r.ssh != nil {
		start = r.startSSH
	}
	p, err := start(ctx, service, version)
	if err != nil {
		return nil, err
	}
	s := &stream{process: p, dir: cmp.Or(r.path, r.sshPath)}
	abort := func() { _ = s.endOnce() }
	s.paced = newPaced(io.NopCloser(p.out), refsPace, abort)
	s.stop = context.AfterFunc(ctx, abort)
	return s, nil
}

// receiveSession is a session that pushes. go-git's own one for SSH does not obey the
// context while it connects, and the one for local paths waits ten seconds for a silent
// error output.
type receiveSession struct {
	*stream
	refs *packp.AdvRefs
}

var _ transport.ReceivePackSession = (*receiveSession)(nil)

func (r *Remote) startLocal(ctx context.Context, service, version string) (*process, error) {
	if _, err := os.Stat(r.path); err != nil {
		return nil, fmt.Errorf("%w: %w", transport.ErrRepositoryNotFound, err)
	}
	ctx, kill := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, "git", service, r.path)
	cmd.WaitDelay = 2 * time.Second
	cmd.Env = append(os.Environ(), "GIT_PROTOCOL="+version)
	stderr := &tail{}
	cmd.Stderr = stderr
	in, errIn := cmd.StdinPipe()
	out, errOut := cmd.StdoutPipe()
	if err := errors.Join(errIn, errOut); err != nil {
		kill()
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		kill()
		if errors.Is(err, exec.ErrNotFound) {
			return nil, errors.New("a repo in a local directory needs the git binary, which is not installed: install git, or use https:// or ssh://")
		}
		return nil, err
	}
	return &process{in: in, out: out, stderr: stderr, end: func() error {
		defer kill()
		// One that still writes, to nobody, would never end.
		_ = errors.Join(in.Close(), out.Close())
		if service == "upload-pack" {
			defer time.AfterFunc(endTime, kill).Stop()
		}
		return cmd.Wait()
	}}, nil
}

func (r *Remote) startSSH(ctx context.Context, service, version string) (*process, error) {
	client, err := ssh.Dial(ctx, *r.ssh, r.sshOptions)
	if err != nil {
		return nil, err
	}
	// The library's calls have no context.
	stop := context.AfterFunc(ctx, func() { _ = client.Close() })
	defer stop()
	session, err := client.NewSession()
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	if version != "" {
		// Many servers do not take it: then they speak version 0.
		_ = session.Setenv("GIT_PROTOCOL", version)
	}
	stderr := &tail{}
	session.Stderr = stderr
	in, errIn := session.StdinPipe()
	out, errOut := session.StdoutPipe()
	quoted := "'" + strings.ReplaceAll(r.sshPath, "'", `'\''`) + "'"
	if err := errors.Join(errIn, errOut, session.Start("git-"+service+" "+quoted)); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	// Not the session first: what it says may wait for a server that does not read.
	return &process{in: in, out: out, stderr: stderr, end: client.Close}, nil
}

func (s *stream) endOnce() error {
	s.once.Do(func() { s.endErr = s.end() })
	return s.endErr
}

// write sends a request. A command that does not read it in time is ended.
func (s *stream) write(request []byte, within time.Duration) error {
	defer time.AfterFunc(within, func() { _ = s.endOnce() }).Stop()
	_, err := s.in.Write(request)
	return err
}

// taken is what a command reads, which is ended when it is slower than the pace.
type taken struct {
	by   *stream
	pace pace
}

// Write implements io.Writer.
func (t *taken) Write(p []byte) (int, error) {
	written := 0
	for chunk := range slices.Chunk(p, t.pace.least) {
		var late atomic.Bool
		timer := time.AfterFunc(t.pace.window, func() {
			late.Store(true)
			_ = t.by.endOnce()
		})
		n, err := t.by.in.Write(chunk)
		timer.Stop()
		written += n
		switch {
		case late.Load():
			return written, t.pace.taken()
		case err != nil:
			return written, err
		}
	}
	return written, nil
}

// leave ends the conversation in good order where nothing was asked for.
func (s *stream) leave() {
	_ = s.write(pktline.FlushPkt, endTime)
	s.stop()
	_ = s.endOnce()
}

// AdvertisedReferences implements transport.Session.
func (s *receiveSession) AdvertisedReferences() (*packp.AdvRefs, error) {
	return s.AdvertisedReferencesContext(context.Background())
}

// AdvertisedReferencesContext implements transport.Session.
func (s *receiveSession) AdvertisedReferencesContext(context.Context) (*packp.AdvRefs, error) {
	if s.refs != nil {
		return s.refs, nil
	}
	refs := packp.NewAdvRefs()
	if err := refs.Decode(s.paced); err != nil && !errors.Is(err, packp.ErrEmptyAdvRefs) {
		return nil, s.explain(err)
	}
	transport.FilterUnsupportedCapabilities(refs.Capabilities)
	s.refs = refs
	return refs, nil
}

// explain adds what the command said on its error output.
func (s *stream) explain(err error) error {
	_ = s.endOnce()
	said := s.stderr.String()
	switch {
	case strings.Contains(said, "dubious ownership"):
		return operatorError{fmt.Errorf("git does not trust the repo, since another user owns its directory: git config --global --add safe.directory '%s', as the user that gitsync runs as", distrusted(said, s.dir))}
	case strings.Contains(said, "does not appear to be a git repository"),
		strings.Contains(strings.ToLower(said), "not found"), strings.Contains(said, "not a git repository"):
		return fmt.Errorf("%w: %s", transport.ErrRepositoryNotFound, said)
	case strings.Contains(strings.ToLower(said), "denied"):
		return fmt.Errorf("%w: %s", transport.ErrAuthorizationFailed, said)
	case said != "":
		return fmt.Errorf("%w: %s", err, said)
	}
	return err
}

// distrusted is the directory that git does not trust, as it says it: that of a server is
// not the one in the address.
func distrusted(said, dir string) string {
	if m := dubious.FindStringSubmatch(said); m != nil {
		return m[1]
	}
	return dir
}

var dubious = regexp.MustCompile(`dubious ownership in repository at '([^']+)'`)

// ReceivePack implements transport.ReceivePackSession.
func (s *receiveSession) ReceivePack(_ context.Context, request *packp.ReferenceUpdateRequest) (*packp.ReportStatus, error) {
	if err := request.Encode(&taken{s.stream, packPace}); err != nil {
		return nil, s.explain(err)
	}
	if err := s.in.Close(); err != nil {
		return nil, s.explain(err)
	}
	if !request.Capabilities.Supports(capability.ReportStatus) {
		return nil, s.endOnce()
	}
	s.paced.restart(packPace)
	var out io.Reader = s.paced
	if request.Capabilities.Supports(capability.Sideband64k) {
		demuxer := sideband.NewDemuxer(sideband.Sideband64k, s.paced)
		demuxer.Progress = request.Progress
		out = demuxer
	}
	report := packp.NewReportStatus()
	if err := report.Decode(out); err != nil {
		return nil, s.explain(err)
	}
	return report, report.Error()
}

// Close implements io.Closer.
func (s *receiveSession) Close() error {
	s.leave()
	return nil
}

// tail keeps the end of what a command prints on its error output.
type tail struct {
	mu   stdsync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text.Write(p)
	if extra := t.text.Len() - 4096; extra > 0 {
		t.text.Next(extra)
	}
	return len(p), nil
}

// String returns the text on one line.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return printable(t.text.String())
}
