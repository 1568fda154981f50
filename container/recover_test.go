package container_test

import (
	"testing"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
)

// A record that names a file is no proof that the file is ours: the list on the host
// is.
func TestARecoveryWritesNoFileThatIsNotOurs(t *testing.T) {
	w := newWorld(t)
	w.mustDeploy(spec("web", file("/etc/web.conf", "old")))
	w.WriteHostFile("/etc/shadow", "theirs")
	w.previous["web"].ConfigFiles["/etc/shadow"] = "forged"
	rt, _, _ := w.connect(t.Context(), spec("x").Host, container.RuntimeConfig{})
	row := w.Containers()["web"]
	if err := rt.(runtime.Renamer).Rename(t.Context(), row.ID, "web.gitsync-old"); err != nil {
		t.Fatal(err)
	}
	w.SetStatus("web.gitsync-old", types.StatusExited)
	w.WriteHostFile("/etc/web.conf", "new")
	w.mustDeploy(spec("web", image("nginx:1.27"), file("/etc/web.conf", "old")))
	w.want("web=nginx:1.27")
	w.wantFile("/etc/shadow", "theirs")
	w.wantFile("/etc/web.conf", "old")
}
