package state_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/host/direct"
	"github.com/gitsync/gitsync/runtime/docker"
	"github.com/gitsync/gitsync/state"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func record() *state.Record {
	return &state.Record{
		SourceCommit: strings.Repeat("a", 40), Tree: strings.Repeat("b", 40),
		DeployedAt: time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC),
		Failures:   map[string]state.FailedUpdate{"db": {Error: "no such image"}},
		PreviousState: container.ContainersState{"web": {
			Container: container.Container{
				Config:  types.ContainerConfig{Name: "web", Image: "nginx:1.27", Ports: []types.PortMap{{Port: 80, HostPort: 8080}}},
				Status:  &types.ContainerStatus{ID: "0123"},
				Runtime: container.RuntimeConfig{Docker: &docker.Config{}},
			},
			Host:        host.Host{DirectConfig: &direct.Config{}},
			ConfigFiles: map[string]string{"/etc/web.conf": "text\n", "/etc/web.bin": "\x00\xff"},
		}},
	}
}

const recordYAML = `deployedAt: "2026-02-03T04:05:06Z"
failures:
  db:
    error: no such image
previousState:
  web:
    configFiles:
      /etc/web.conf: |
        text
    configFilesBase64:
      /etc/web.bin: AP8=
    container:
      config:
        image: nginx:1.27
        name: web
        ports:
        - hostPort: 8080
          port: 80
      runtime:
        docker: {}
      status:
        id: "0123"
    host:
      direct: {}
sourceCommit: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
tree: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
`

func TestARecordIsWrittenAndReadBack(t *testing.T) {
	data, err := record().YAML()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(recordYAML, string(data)); diff != "" {
		t.Errorf("YAML (-want +got):\n%s", diff)
	}
	read, err := state.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if !read.Same(record()) || read.PreviousState["web"].ConfigFiles["/etc/web.bin"] != "\x00\xff" {
		t.Errorf("read %+v", read)
	}
	if _, err := container.FromYaml(data); err != nil {
		t.Errorf("the library does not read the record: %v", err)
	}
}

func TestRecordsAreTheSameWhateverTheWordsAndTheTime(t *testing.T) {
	a, b := record(), record()
	b.DeployedAt = b.DeployedAt.Add(time.Hour)
	b.Failures["db"] = state.FailedUpdate{Error: "still no such image"}
	b.PreviousState["web"].Container.Status.Status = "running"
	if !a.Same(b) {
		t.Error("time, words and statuses count")
	}
	b.PreviousState["web"].Container.Config.Image = "nginx:1.28"
	if a.Same(b) {
		t.Error("another image does not count")
	}
	var none *state.Record
	if none.Same(a) || !none.Same(nil) {
		t.Error("nil is not told from a record")
	}
}

func TestControlCharactersKeepNoRecordFromBeingWritten(t *testing.T) {
	r := record()
	r.Failures["db"] = state.FailedUpdate{Error: "exec: \x7f\u0085\u009b31m\ufeff"}
	r.PreviousState["web"].ConfigFiles["/etc/web.conf"] = "\ufeffa\x7fb\u0085c\n"
	data, err := r.YAML()
	if err != nil {
		t.Fatal(err)
	}
	again, err := state.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := again.Failures["db"].Error, r.Failures["db"].Error; got != want {
		t.Errorf("the failure came back as %q, want %q", got, want)
	}
	if got, want := again.PreviousState["web"].ConfigFiles["/etc/web.conf"], r.PreviousState["web"].ConfigFiles["/etc/web.conf"]; got != want {
		t.Errorf("the file came back as %q, want %q", got, want)
	}
}

func TestRecordsThatAreRefused(t *testing.T) {
	for yaml, says := range map[string]string{
		"previousState: {web: null}":                   "null",
		"previousState: {web: {}}":                     "image must be set",
		"previousState: [1]":                           "parse",
		"deployedAt: yesterday":                        "parse",
		"previousState: {web: {configFilesBase64: 1}}": "parse",
	} {
		if _, err := state.Parse([]byte(yaml)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want an error that says %q", yaml, err, says)
		}
	}
	if _, err := state.Parse([]byte("unknown: 1\n" + recordYAML)); err != nil {
		t.Errorf("a field of a newer gitsync: %v", err)
	}
}

// FuzzParse feeds records to the parser: it never panics, and what it takes it
// writes in a form that it reads as the same.
func FuzzParse(f *testing.F) {
	f.Add([]byte(recordYAML))
	f.Add([]byte("previousState: {web: null}"))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte(""))
	f.Add([]byte("failures: {db: {error: \"\\x7f\\u0085\"}}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := state.Parse(data)
		if err != nil {
			return
		}
		written, err := r.YAML()
		if err != nil {
			t.Fatalf("write: %v", err)
		}
		again, err := state.Parse(written)
		if err != nil {
			t.Fatalf("read what was written: %v\n%s", err, written)
		}
		if !again.Same(r) {
			t.Fatalf("another record came back:\n%s", written)
		}
	})
}

func TestAFailureOfAnOlderRecordIsItsReasonAlone(t *testing.T) {
	r, err := state.Parse([]byte("sourceCommit: c1\nfailures: {db: no such image}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Failures["db"]; got != (state.FailedUpdate{Error: "no such image"}) {
		t.Errorf("got %+v", got)
	}
}

func TestAFailureWaitsForItsNextTry(t *testing.T) {
	now := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	for name, tt := range map[string]struct {
		failure state.FailedUpdate
		want    bool
	}{
		"without a time it is tried in the next cycle": {state.FailedUpdate{Error: "x"}, false},
		"before its time it waits":                     {state.FailedUpdate{NextAttempt: now.Add(time.Second)}, true},
		"at its time it is tried":                      {state.FailedUpdate{NextAttempt: now}, false},
		"a paused one waits for a person":              {state.FailedUpdate{Paused: true}, true},
	} {
		if got := tt.failure.Waits(now); got != tt.want {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}

func TestToLearnWhichImageWasDeployedIsNoNews(t *testing.T) {
	record := func(image string) *state.Record {
		return &state.Record{PreviousState: container.ContainersState{"web": {
			Container: container.Container{
				Config: types.ContainerConfig{Name: "web", Image: "nginx:1.27"}, Status: &types.ContainerStatus{ID: "1", ImageID: image},
			},
		}}}
	}
	if !record("").Same(record("sha256:a")) || !record("sha256:a").Same(record("")) {
		t.Error("a record that learns the image is another one")
	}
	if record("sha256:a").Same(record("sha256:b")) {
		t.Error("another image is the same")
	}
	if r := record("sha256:a"); r.Same(record("")) && r.PreviousState["web"].Container.Status.ImageID == "" {
		t.Error("to compare a record changes it")
	}
}
