package giteatest

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Gitsync is the path of gitsync's binary: what `make build` built, or $GITSYNC_BINARY.
func Gitsync(t testing.TB) string {
	t.Helper()
	binary := os.Getenv("GITSYNC_BINARY")
	if binary == "" {
		binary = filepath.Join(moduleRoot(t), "../../bin/gitsync")
	}
	if _, err := os.Stat(binary); err != nil {
		missing(t)("gitsync is not built: run `make build`, or set $GITSYNC_BINARY: %v", err)
	}
	return binary
}

// missing is what to do about a thing that a test needs and that is not there.
func missing(t testing.TB) func(format string, args ...any) {
	if os.Getenv("GITSYNC_REQUIRE_FORGE") != "" {
		return t.Fatalf
	}
	return t.Skipf
}

// find returns Gitea's binary, and the directory of its module, which has what it serves.
func find(t testing.TB) (binary, static string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Version}}\n{{.Dir}}", "code.gitea.io/gitea")
	output, err := cmd.Output()
	if err != nil {
		missing(t)("Gitea's module is not there: %v", err)
	}
	version, static, _ := strings.Cut(strings.TrimSpace(string(output)), "\n")
	if static == "" {
		missing(t)("Gitea's module is not downloaded: run `make gitea`")
	}
	if binary = os.Getenv("GITSYNC_GITEA"); binary == "" {
		binary = filepath.Join(moduleRoot(t), "../../.tools/bin/gitea-"+version)
	}
	if _, err := os.Stat(binary); err != nil {
		missing(t)("Gitea is not built: run `make gitea`, or set $GITSYNC_GITEA: %v", err)
	}
	return binary, static
}

// moduleRoot is the directory of e2e/forge.
func moduleRoot(t testing.TB) string {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), "go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(strings.TrimSpace(string(output)))
}

// configuration is Gitea's app.ini: nothing that needs a network, nothing that runs by the
// clock, and no queue on a disk.
func configuration(dir string, port int) string {
	return fmt.Sprintf(`APP_NAME = gitsync-test
RUN_MODE = prod
WORK_PATH = %[1]s/work
[server]
PROTOCOL = http
HTTP_ADDR = 127.0.0.1
HTTP_PORT = %[2]d
DOMAIN = 127.0.0.1
ROOT_URL = http://127.0.0.1:%[2]d/
STATIC_ROOT_PATH = %[1]s/static
OFFLINE_MODE = true
DISABLE_SSH = true
LFS_START_SERVER = false
[database]
DB_TYPE = sqlite3
PATH = %[1]s/work/gitea.db
[security]
INSTALL_LOCK = true
PASSWORD_HASH_ALGO = pbkdf2$1000$50
[service]
DISABLE_REGISTRATION = true
[webhook]
ALLOWED_HOST_LIST = loopback
[queue]
TYPE = channel
[session]
PROVIDER = memory
[indexer]
ISSUE_INDEXER_TYPE = db
[actions]
ENABLED = false
[packages]
ENABLED = false
[cron]
ENABLED = false
[repository]
DEFAULT_BRANCH = main
[log]
MODE = console
LEVEL = Warn
`, dir, port)
}

// copyFile makes a copy, or another name of the same file where that is possible.
func copyFile(from, to string, mode os.FileMode) error {
	if os.Link(from, to) == nil {
		return nil
	}
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(target, source); err != nil {
		_ = target.Close()
		return err
	}
	return target.Close()
}
