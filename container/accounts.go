package container

import (
	"context"
	"fmt"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
)

// The files of an image that know the numbers of users and groups.
const (
	passwdFile = "/etc/passwd"
	groupFile  = "/etc/group"
)

// numbered returns the file with the numbers of its user and group, where these are names.
// Only the image knows them: they are read in a container of it that has nothing of the
// host, is never started, and is removed at once.
//
// Errors: [runtime.ErrInvalid] for a name that the image does not know.
func (h *hostFiles) numbered(ctx context.Context, image string, f *types.File) (*types.File, error) {
	if isID(f.User) && isID(f.Group) {
		return f, nil
	}
	files, err := h.accountsOf(ctx, image)
	if err != nil {
		return nil, fmt.Errorf("look up the owner of config file %s: %w", f.Path, err)
	}
	owned := *f
	for _, of := range []struct {
		account *string
		what    string
		file    string
	}{{&owned.User, "user", passwdFile}, {&owned.Group, "group", groupFile}} {
		if isID(*of.account) {
			continue
		}
		number, known := runtime.AccountNumber(files[of.file], *of.account)
		if !known {
			return nil, fmt.Errorf("config file %s: %w: the image %s has no %s %s in %s: give a number instead",
				f.Path, runtime.ErrInvalid, image, of.what, *of.account, of.file)
		}
		*of.account = number
	}
	return &owned, nil
}

// accountsOf returns the files of the image that know its users and groups, by path. They
// are read once.
func (h *hostFiles) accountsOf(ctx context.Context, image string) (_ map[string]string, err error) {
	if known, ok := h.accounts[image]; ok {
		return known, nil
	}
	id, err := h.create(ctx, image, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = joinErrors(err, h.remove(ctx, id)) }()
	found, err := h.rt.Read(ctx, id, []string{passwdFile, groupFile})
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	for _, f := range found {
		files[f.Path] = f.Content
	}
	if h.accounts == nil {
		h.accounts = map[string]map[string]string{}
	}
	h.accounts[image] = files
	return files, nil
}
