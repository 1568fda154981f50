package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/storage"
	"github.com/go-git/go-git/v5/storage/filesystem"

	"github.com/gitsync/gitsync/internal/disk"
	"github.com/gitsync/gitsync/internal/panics"
)

// maxDepth bounds how deep directories are nested: Go ends a process whose stack grows
// too large.
const maxDepth = 256

// errStore means that what was fetched could not be put into the store.
var errStore = errors.New("write the fetched objects")

// fetchInto fetches a commit with what belongs to it. With have, only what that
// commit has not is sent; with a depth, only so many commits. Never both: go-git
// cannot receive thin packs, so that a server sends a whole snapshot for each fetch
// with a depth. Without a tip the one that the branch has is fetched. It returns what
// was fetched.
func (s *Store) fetchInto(ctx context.Context, into storage.Storer, tip, have Hash, depth int) (_ Hash, err error) {
	defer panics.Into(&err)
	session, err := s.remote.uploadPack(ctx)
	if err != nil {
		return "", err
	}
	defer func() { _ = session.Close() }()
	advertised, err := session.AdvertisedReferencesContext(ctx)
	if err != nil {
		return "", err
	}
	now, err := branchesOf(advertised.References).Branch(s.branch)
	switch {
	case tip == "" && err != nil:
		return "", err
	case tip == "" && now == have:
		return now, nil
	case err != nil || tip != "" && now != tip:
		return "", fmt.Errorf("fetch %s of branch %s: %w", tip.Short(), s.branch, ErrRaceLost)
	}
	return now, s.receive(ctx, session, advertised, into, now, have, depth)
}

// receive asks for a commit that the remote advertised, and stores what comes.
func (s *Store) receive(ctx context.Context, session transport.UploadPackSession, advertised *packp.AdvRefs, into storage.Storer, tip, have Hash, depth int) error {
	request, err := uploadRequest(advertised, into, tip, have, depth)
	if err != nil {
		return err
	}
	response, err := session.UploadPack(ctx, request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Close() }()
	if err := addShallow(into, response); err != nil {
		return err
	}
	from := &limited{ReadCloser: io.NopCloser(demux(request, response)), left: maxPack}
	if err := storePack(ctx, into, from); err != nil {
		if isNetwork(err) || errors.Is(err, ErrTooLarge) || ctx.Err() != nil {
			return err
		}
		if errors.Is(err, errPack) || errors.Is(err, disk.ErrUnwritable) {
			return err
		}
		return fmt.Errorf("%w: %w", errStore, err)
	}
	return nil
}

func uploadRequest(advertised *packp.AdvRefs, into storage.Storer, tip, have Hash, depth int) (*packp.UploadPackRequest, error) {
	request := packp.NewUploadPackRequestFromCapabilities(advertised.Capabilities)
	request.Wants = []plumbing.Hash{tip.git()}
	if have != "" {
		request.Haves = []plumbing.Hash{have.git()}
	}
	if advertised.Capabilities.Supports(capability.NoProgress) {
		if err := request.Capabilities.Set(capability.NoProgress); err != nil {
			return nil, err
		}
	}
	if !advertised.Capabilities.Supports(capability.Shallow) {
		return request, nil
	}
	if err := request.Capabilities.Set(capability.Shallow); err != nil {
		return nil, err
	}
	if depth > 0 {
		request.Depth = packp.DepthCommits(depth)
	}
	shallow, err := into.Shallow()
	if err != nil {
		return nil, err
	}
	request.Shallows = shallow
	return request, nil
}

// addShallow remembers where the history ends.
func addShallow(into storage.Storer, response *packp.UploadPackResponse) error {
	if len(response.Shallows) == 0 {
		return nil
	}
	known, err := into.Shallow()
	if err != nil {
		return err
	}
	seen := map[plumbing.Hash]bool{}
	for _, hash := range known {
		seen[hash] = true
	}
	for _, hash := range response.Shallows {
		if !seen[hash] {
			known = append(known, hash)
		}
	}
	return explainDisk(into, into.SetShallow(known))
}

// explainDisk says what is wrong with the disk of a store, if that is it.
func explainDisk(of storage.Storer, err error) error {
	if onDisk, ok := of.(*filesystem.Storage); ok {
		return disk.Explain(onDisk.Filesystem().Root(), 0, err)
	}
	return err
}

// demux takes the pack out of the channel that it shares with progress messages.
func demux(request *packp.UploadPackRequest, r io.Reader) io.Reader {
	switch {
	case request.Capabilities.Supports(capability.Sideband64k):
		return sideband.NewDemuxer(sideband.Sideband64k, r)
	case request.Capabilities.Supports(capability.Sideband):
		return sideband.NewDemuxer(sideband.Sideband, r)
	}
	return r
}

// whole returns a commit when all that belongs to it is in the store. Trees that
// were found whole before are not walked again, so that the effort follows what
// changed.
func (s *Store) whole(tip Hash) (_ *Commit, err error) {
	defer panics.Into(&err)
	commit, err := object.GetCommit(s.storer, tip.git())
	if err != nil {
		return nil, fmt.Errorf("%w: commit %s: %w", ErrObjectMissing, tip.Short(), err)
	}
	verified := map[plumbing.Hash]bool{}
	if err := s.verify(commit.TreeHash, verified, 0); err != nil {
		return nil, err
	}
	s.verified = verified
	return s.newCommit(commit), nil
}

func (s *Store) verify(tree plumbing.Hash, verified map[plumbing.Hash]bool, depth int) error {
	if verified[tree] {
		return nil
	}
	if depth > maxDepth {
		return fmt.Errorf("the directories of the repo are nested more than %d deep, which is %w", maxDepth, ErrTooLarge)
	}
	content, err := object.GetTree(s.storer, tree)
	if err != nil {
		return fmt.Errorf("%w: tree %s: %w", ErrObjectMissing, tree, err)
	}
	if err := checkNames(content); err != nil {
		return err
	}
	known := s.verified[tree]
	verified[tree] = true
	for _, e := range content.Entries {
		switch {
		case e.Mode == filemode.Dir:
			if err := s.verify(e.Hash, verified, depth+1); err != nil {
				return err
			}
		case e.Mode != filemode.Submodule && !known:
			// Not HasEncodedObject: with exclusive access go-git v5.19 does not look
			// into packs for it.
			if _, err := s.storer.EncodedObjectSize(e.Hash); err != nil {
				return fmt.Errorf("%w: file %s: %w", ErrObjectMissing, e.Name, err)
			}
		}
	}
	return nil
}

// checkNames refuses a directory that Git makes for nobody: what it holds would depend on
// who reads it.
func checkNames(tree *object.Tree) error {
	seen := make(map[string]bool, len(tree.Entries))
	for _, e := range tree.Entries {
		switch {
		case e.Name == "" || e.Name == "." || e.Name == ".." || strings.Contains(e.Name, "/"):
			return operatorError{fmt.Errorf("%w: directory %s holds %q, which no file can be called: git fsck says more; push a commit without it", ErrBrokenRepo, tree.Hash, short(e.Name))}
		case seen[e.Name]:
			return operatorError{fmt.Errorf("%w: directory %s holds %q twice: git fsck says more; push a commit without it", ErrBrokenRepo, tree.Hash, short(e.Name))}
		}
		seen[e.Name] = true
	}
	return nil
}
