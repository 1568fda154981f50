package docker_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/gitsync/gitsync/internal/dockertest"
	"github.com/gitsync/gitsync/internal/registrytest"
	"github.com/gitsync/gitsync/runtime/runtimetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	engine := dockertest.Require(t)
	dir, err := os.MkdirTemp("", "gitsync-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	runtimetest.Run(t, func(*testing.T) runtimetest.Full { return engine }, runtimetest.Options{
		Image: dockertest.Image(t, engine), EndingImage: dockertest.Image(t, engine, "EXIT=3"), MissingImage: registrytest.Serve(t, registrytest.Options{}).Address + "/no/such:image",
		TempDir: dir, User: "app", UID: "1234", GID: "2345",
	})
}
