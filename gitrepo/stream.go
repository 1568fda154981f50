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
	"strings"
	stdsync "sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/transport"

	"github.com/gitsync/gitsync/host/ssh"
)

// process is a git command at the other end of two pipes: on this machine, or on
// another one over SSH.
type process struct {
	in     io.WriteCloser
	out    io.Reader
	stderr *tail
	// end waits for the command, or ends it, and frees what it used.
	end func() error
}

// streamSession is a session over such a command. go-git's own one for SSH does
// not obey the context while it connects, and the one for local paths waits ten
// seconds for a silent error output.
type streamSession struct {
	*process
	// dir is the directory of the repo.
	dir     string
	receive bool
	refs    *packp.AdvRefs
	stop    func() bool
	once    stdsync.Once
	endErr  error
}

var (
	_ transport.UploadPackSession  = (*streamSession)(nil)
	_ transport.ReceivePackSession = (*streamSession)(nil)
)

// openStream starts the command. When the context is done the command is ended,
// which ends whatever waits for its output.
func (r *Remote) openStream(ctx context.Context, service string) (*streamSession, error) {
	start := r.startLocal
	if r.ssh != nil {
		start = r.startSSH
	}
	p, err := start(ctx, service)
	if err != nil {
		return nil, err
	}
	s := &streamSession{process: p, dir: cmp.Or(r.path, r.sshPath), receive: service == "receive-pack"}
	s.stop = context.AfterFunc(ctx, func() { _ = s.endOnce() })
	return s, nil
}

func (r *Remote) startLocal(ctx context.Context, service string) (*process, error) {
	if _, err := os.Stat(r.path); err != nil {
		return nil, fmt.Errorf("%w: %w", transport.ErrRepositoryNotFound, err)
	}
	cmd := exec.CommandContext(ctx, "git", service, r.path)
	cmd.WaitDelay = 2 * time.Second
	cmd.Env = append(os.Environ(), "GIT_PROTOCOL=")
	stderr := &tail{}
	cmd.Stderr = stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return nil, errors.New("a repo in a local directory needs the git binary, which is not installed: install git, or use https:// or ssh://")
		}
		return nil, err
	}
	return &process{in: in, out: out, stderr: stderr, end: func() error {
		// One that still writes, to nobody, would never end.
		_ = errors.Join(in.Close(), out.Close())
		return cmd.Wait()
	}}, nil
}

func (r *Remote) startSSH(ctx context.Context, service string) (*process, error) {
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
	stderr := &tail{}
	session.Stderr = stderr
	in, errIn := session.StdinPipe()
	out, errOut := session.StdoutPipe()
	quoted := "'" + strings.ReplaceAll(r.sshPath, "'", `'\''`) + "'"
	if err := errors.Join(errIn, errOut, session.Start("git-"+service+" "+quoted)); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return &process{in: in, out: out, stderr: stderr, end: func() error {
		_ = in.Close()
		_ = session.Close()
		return client.Close()
	}}, nil
}

func (s *streamSession) endOnce() error {
	s.once.Do(func() { s.endErr = s.end() })
	return s.endErr
}

// AdvertisedReferences implements transport.Session.
func (s *streamSession) AdvertisedReferences() (*packp.AdvRefs, error) {
	return s.AdvertisedReferencesContext(context.Background())
}

// AdvertisedReferencesContext implements transport.Session.
func (s *streamSession) AdvertisedReferencesContext(context.Context) (*packp.AdvRefs, error) {
	if s.refs != nil {
		return s.refs, nil
	}
	refs := packp.NewAdvRefs()
	err := refs.Decode(s.out)
	switch {
	case errors.Is(err, packp.ErrEmptyAdvRefs) && s.receive:
	case errors.Is(err, packp.ErrEmptyAdvRefs):
		return nil, transport.ErrEmptyRemoteRepository
	case err != nil:
		return nil, s.explain(err)
	case refs.IsEmpty() && !s.receive:
		return nil, transport.ErrEmptyRemoteRepository
	}
	transport.FilterUnsupportedCapabilities(refs.Capabilities)
	s.refs = refs
	return refs, nil
}

// explain adds what the command said on its error output.
func (s *streamSession) explain(err error) error {
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

// UploadPack implements transport.UploadPackSession.
func (s *streamSession) UploadPack(_ context.Context, request *packp.UploadPackRequest) (*packp.UploadPackResponse, error) {
	if err := request.Validate(); err != nil {
		return nil, err
	}
	if err := request.UploadRequest.Encode(s.in); err != nil {
		return nil, s.explain(err)
	}
	if err := request.UploadHaves.Encode(s.in, true); err != nil {
		return nil, s.explain(err)
	}
	if err := pktline.NewEncoder(s.in).Encodef("done\n"); err != nil {
		return nil, s.explain(err)
	}
	if err := s.in.Close(); err != nil {
		return nil, s.explain(err)
	}
	response := packp.NewUploadPackResponse(request)
	if err := response.Decode(io.NopCloser(&limited{ReadCloser: io.NopCloser(s.out), left: maxPack})); err != nil {
		return nil, s.explain(err)
	}
	return response, nil
}

// ReceivePack implements transport.ReceivePackSession.
func (s *streamSession) ReceivePack(_ context.Context, request *packp.ReferenceUpdateRequest) (*packp.ReportStatus, error) {
	if err := request.Encode(s.in); err != nil {
		return nil, s.explain(err)
	}
	if err := s.in.Close(); err != nil {
		return nil, s.explain(err)
	}
	if !request.Capabilities.Supports(capability.ReportStatus) {
		return nil, s.endOnce()
	}
	out := s.out
	if request.Capabilities.Supports(capability.Sideband64k) {
		demuxer := sideband.NewDemuxer(sideband.Sideband64k, s.out)
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
func (s *streamSession) Close() error {
	s.stop()
	if s.refs != nil {
		// A flush ends the conversation in good order where nothing was asked for.
		_, _ = s.in.Write(pktline.FlushPkt)
	}
	_ = s.endOnce()
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
