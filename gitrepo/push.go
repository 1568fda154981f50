package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"golang.org/x/sync/errgroup"

	"github.com/gitsync/gitsync/internal/panics"
)

// Push moves the branch from one commit to another one that [Store.Commit] made on
// it, with those that it made in between. An empty old tip creates the branch. It is a compare-and-swap: when the
// branch is not at the old tip, nothing is changed. When the answer is lost the
// remote is asked where the branch is.
//
// Errors: [ErrRaceLost], [ErrPushRefused], [ErrAuth], [ErrUnreachable].
func (s *Store) Push(ctx context.Context, newTip, oldTip Hash) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	objects, commits := s.since(newTip, oldTip)
	if commits == 0 {
		return fmt.Errorf("push %s: %w", newTip.Short(), ErrObjectMissing)
	}
	ctx, cancel := context.WithTimeout(ctx, transferTimeout)
	defer cancel()
	said := &tail{}
	err := s.send(ctx, objects, newTip, oldTip, said)
	if err != nil {
		err = s.afterFailedPush(ctx, newTip, oldTip, err, said.String())
	}
	if err != nil {
		return err
	}
	s.commits += commits
	clear(s.written)
	return s.setTip(newTip)
}

// since returns the objects of the commits that were made here since the old tip, up to the
// new one, and how many commits these are.
func (s *Store) since(newTip, oldTip Hash) (objects []plumbing.Hash, commits int) {
	for tip := newTip; tip != oldTip; commits++ {
		made, ok := s.written[tip]
		if !ok {
			break
		}
		objects = append(objects, made...)
		c, err := object.GetCommit(s.storer, tip.git())
		if err != nil || len(c.ParentHashes) == 0 {
			return objects, commits + 1
		}
		tip = Hash(c.ParentHashes[0].String())
	}
	return objects, commits
}

func (s *Store) send(ctx context.Context, objects []plumbing.Hash, newTip, oldTip Hash, said io.Writer) (err error) {
	defer panics.Into(&err)
	session, err := s.remote.receivePack(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = session.Close() }()
	advertised, err := session.AdvertisedReferencesContext(ctx)
	if err != nil {
		return err
	}
	if now := Hash(advertised.References[s.ref().String()].String()); now != oldTip && (oldTip != "" || now != Hash(plumbing.ZeroHash.String())) {
		return ErrRaceLost
	}
	request := packp.NewReferenceUpdateRequestFromCapabilities(advertised.Capabilities)
	if advertised.Capabilities.Supports(capability.Sideband64k) {
		if err := request.Capabilities.Set(capability.Sideband64k); err != nil {
			return err
		}
	}
	request.Progress = said
	request.Commands = []*packp.Command{{Name: s.ref(), Old: oldTip.git(), New: newTip.git()}}
	reader, writer := io.Pipe()
	request.Packfile = reader
	var group errgroup.Group
	group.Go(func() error {
		_, err := packfile.NewEncoder(writer, s.storer, false).Encode(objects, 0)
		return writer.CloseWithError(err)
	})
	report, err := session.ReceivePack(ctx, request)
	_ = reader.CloseWithError(io.ErrClosedPipe)
	_ = group.Wait()
	if err != nil {
		return err
	}
	if report == nil {
		return nil
	}
	return report.Error()
}

// afterFailedPush finds out what became of a push that ended with an error: it
// may have worked all the same.
func (s *Store) afterFailedPush(ctx context.Context, newTip, oldTip Hash, pushErr error, said string) error {
	if errors.Is(pushErr, ErrRaceLost) {
		return pushErr
	}
	refs, err := s.remote.Refs(ctx, s.branch)
	if err != nil && !errors.Is(err, ErrEmptyRemote) {
		return s.remote.classify(ctx, pushErr)
	}
	tip, err := refs.Branch(s.branch)
	if err != nil {
		tip = ""
	}
	switch tip {
	case newTip:
		return nil
	case oldTip:
	default:
		if s.contains(tip, newTip) {
			return nil
		}
		return ErrRaceLost
	}
	classified := s.remote.classify(ctx, pushErr)
	if isLocked(pushErr.Error(), said) {
		return fmt.Errorf("%w: %w", ErrRaceLost, classified)
	}
	if errors.Is(classified, ErrAuth) || errors.Is(classified, ErrUnreachable) {
		return classified
	}
	if said != "" {
		return fmt.Errorf("%w: %w: %s", ErrPushRefused, classified, s.remote.redact(said))
	}
	return fmt.Errorf("%w: %w", ErrPushRefused, classified)
}

// isLocked says whether the server did not get at the branch since another push was at
// it: the branch moves a moment later. A branch whose name is in the way of another one
// stays there.
func isLocked(reason, said string) bool {
	if strings.Contains(reason+said, "cannot create") && strings.Contains(reason+said, "exists;") {
		return false
	}
	for _, text := range []string{"cannot lock ref", "failed to update ref", "File exists"} {
		if strings.Contains(reason, text) {
			return true
		}
	}
	return false
}

// contains says whether the store knows that a tip was built on a commit.
func (s *Store) contains(tip, commit Hash) bool {
	c, err := object.GetCommit(s.storer, tip.git())
	return err == nil && slices.Contains(c.ParentHashes, commit.git())
}
