package runtimetest

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gitsync/gitsync/container/types"
)

// Options tell the suite what it may use.
type Options struct {
	// Image is present, and runs until it is stopped.
	Image string
	// EndingImage is present; its containers print "the end" and end with code 3.
	EndingImage string
	// MissingImage is a reference that no registry has.
	MissingImage string
	// TempDir is a directory of the host's file system that the suite may write to.
	TempDir string
	// User is a user and a group that the image knows by this name, with the
	// numbers UID and GID.
	User     string
	UID, GID string
}

// suite is one run over one runtime.
type suite struct {
	Options
	rt Full
}

// Run checks that a runtime keeps the contract. open is called for each part of the
// suite; what it made is removed by the suite.
func Run(t *testing.T, open func(t *testing.T) Full, opts Options) {
	for name, part := range map[string]func(*testing.T, *suite){
		"a container is created, started, stopped and deleted": lifeCycle,
		"what is done already is done again without harm":      idempotence,
		"unknown containers are told as such":                  unknown,
		"names are unique":                                     names,
		"a running container is not deleted":                   deleteRunning,
		"lists hold what carries the labels, running or not":   lists,
		"containers are renamed while they run":                renames,
		"a host port is taken once":                            hostPorts,
		"images that do not exist are told as such":            images,
		"details tell what a container does":                   details,
		"a paused container is left, let go on, or stopped":    pauses,
		"a container that is restarted is stopped and named":   restarts,
		"an exit code and the last lines are kept":             ending,
		"a volume without a name is told, and mounted again":   anonymousVolumes,
		"a signal reaches a container that runs":               signals,
		"facts are what was asked for, and what is in force":   facts,
		"limits and restarts are adjusted while it runs":       adjusts,
		"changes are told when they happen":                    watches,
		"a config is neither changed nor kept":                 configs,
		"a group without a user is refused":                    groupAlone,
		"files go in and come out as they were":                fileRoundTrip,
		"files are staged, and then as they were":              staged,
		"files reach the host through its root directory":      hostFiles,
		"parents of files that exist keep their modes":         existingParents,
		"users and groups are looked up by name":               accounts,
		"what is no regular file is not read":                  notRegular,
		"a container of nothing holds a name":                  empty,
		"the machine tells its time":                           clock,
		"a cancelled context ends every call":                  cancelled,
		"calls can be made at once":                            concurrent,
	} {
		t.Run(name, func(t *testing.T) { part(t, &suite{Options: opts, rt: open(t)}) })
	}
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// name returns a name that nobody else has.
func name(base string) string {
	return "gitsync-test-" + base + "-" + strings.ToLower(rand.Text()[:8])
}

// volumeRemover is a runtime whose volumes a test must remove.
type volumeRemover interface {
	RemoveVolume(ctx context.Context, name string) error
}

// create creates a container that is removed at the end of the test, and its volumes
// without a name after it.
func (s *suite) create(t *testing.T, change ...func(*types.ContainerConfig)) (string, *types.ContainerConfig) {
	t.Helper()
	config := &types.ContainerConfig{Name: name("c"), Image: s.Image, StopTimeout: types.Duration(time.Second)}
	for _, f := range change {
		f(config)
	}
	id, err := s.rt.Create(testContext(t), config)
	if err != nil {
		t.Fatalf("create: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		details, _ := s.rt.Inspect(ctx, id)
		_ = s.rt.Stop(ctx, id)
		_ = s.rt.Delete(ctx, id)
		remover, can := s.rt.(volumeRemover)
		for _, volume := range details.AnonymousVolumes {
			if !can {
				break
			}
			if err := remover.RemoveVolume(ctx, volume); err != nil {
				t.Errorf("remove the volume: %v", err)
			}
		}
	})
	return id, config
}

func (s *suite) status(t *testing.T, id string) types.ContainerStatus {
	t.Helper()
	status, err := s.rt.Status(testContext(t), id)
	if err != nil {
		t.Fatalf("status: %v", err)
	}
	return status
}

func ok(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func wantErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}
