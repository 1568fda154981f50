package state

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/host/direct"
	"github.com/gitsync/gitsync/runtime/docker"
)

// manyContainers is the record of so many containers.
func manyContainers(count int) *Record {
	r := &Record{
		SourceCommit: "abc", Tree: "def", DeployedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), PreviousState: container.ContainersState{},
		Failures: map[string]FailedUpdate{"web": {Error: "no\nimage: x\nsourceCommit: y"}}, Drift: []Drift{{Container: "zz", Field: "image", Wanted: "a", Found: "b"}},
		Secrets: map[string]Secret{"db": {Version: "v"}},
	}
	for i := range count {
		r.PreviousState[fmt.Sprintf("app%d", i)] = oneContainer(i, "1")
	}
	return r
}

func oneContainer(i int, tag string) *container.HostConfiguredContainer {
	m := &container.HostConfiguredContainer{Host: host.Host{DirectConfig: &direct.Config{}}, ConfigFiles: map[string]string{}}
	m.Container.Runtime.Docker = &docker.Config{}
	m.Container.Config = types.ContainerConfig{
		Name: fmt.Sprintf("app%d", i), Image: "nginx:" + tag, Env: map[string]string{"TEXT": "a line that is longer than eighty letters, and that some would fold: " + tag + " and so on and on"},
		Ports: []types.PortMap{{Port: 80, HostPort: 1000 + i}},
	}
	m.ConfigFiles["/srv/x"] = "sourceCommit: text\n\n  indented\npreviousState:\n  x: 1\n"
	m.Container.Status = &types.ContainerStatus{ID: fmt.Sprint("id", i)}
	return m
}

func TestAChangeAmongThousandsWritesOneContainer(t *testing.T) {
	const count = 1000
	e, r := &encoder{}, manyContainers(count)
	for step, change := range []struct {
		name  string
		do    func()
		wrote int
	}{
		{"the first time", func() {}, count},
		{"nothing", func() {}, 0},
		{"another time", func() { r.DeployedAt = r.DeployedAt.Add(time.Hour) }, 0},
		{"one image", func() { r.PreviousState["app77"] = oneContainer(77, "2") }, 1},
		{"one in place", func() { r.PreviousState["app78"].Container.Config.Image = "nginx:3" }, 1},
		{"one leaves, one comes", func() { delete(r.PreviousState, "app1"); r.PreviousState["new"] = oneContainer(5000, "1") }, 1},
	} {
		change.do()
		before := e.written
		got, err := e.yaml(r)
		if err != nil {
			t.Fatal(err)
		}
		if wrote := e.written - before; wrote != change.wrote {
			t.Errorf("%s: %d containers were written, want %d", change.name, wrote, change.wrote)
		}
		if step%3 != 0 {
			continue // the whole record takes long
		}
		if want, err := r.YAML(); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: the record is another one than that which is written as a whole, %v", change.name, err)
		}
	}
}

func TestTheEncoderWritesWhatARecordIs(t *testing.T) {
	keys := []string{"app2", "app10", "App", "1", "10", "true", "null", "~", "a.b", "a-b", "a_b", "é", "0x1", "1e3", "yes", "x:y", "a b", "-", "", "#", "2026-01-01"}
	r := rand.New(rand.NewPCG(15, 20))
	e := &encoder{}
	for range 200 {
		record := manyContainers(0)
		for range r.IntN(8) {
			record.PreviousState[keys[r.IntN(len(keys))]] = oneContainer(r.IntN(3), fmt.Sprint(r.IntN(3)))
		}
		switch r.IntN(4) {
		case 0:
			record.Failures, record.Drift, record.Secrets = nil, nil, nil
		case 1:
			record.Repairs, record.Tree = map[string]Repairs{"web": {Count: 1}}, ""
		case 2:
			record.Moving, record.HeldBack = map[string]string{"a": "b"}, &HeldBack{Commit: "x", Deployed: []string{"q"}}
		}
		got, err := e.spliced(record)
		if err != nil {
			t.Fatal(err)
		}
		want, err := record.YAML()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("got\n%s\nwant\n%s", got, want)
		}
	}
}

func TestTheTextsOfSmallRecordsAreNotKept(t *testing.T) {
	e, r := &encoder{}, manyContainers(minKept)
	for _, size := range []int{minKept, minKept - 1} {
		for key := range r.PreviousState {
			if len(r.PreviousState) > size {
				delete(r.PreviousState, key)
			}
		}
		got, err := e.yaml(r)
		if want, wantErr := r.YAML(); err != nil || wantErr != nil || !bytes.Equal(got, want) {
			t.Errorf("%d containers: the record is another one, %v, %v", size, err, wantErr)
		}
		if kept := len(e.containers); kept != size && size == minKept || kept != 0 && size < minKept {
			t.Errorf("%d containers: the texts of %d are kept", size, kept)
		}
	}
}

// BenchmarkRecord writes the record of five thousand containers of which one changed.
func BenchmarkRecord(b *testing.B) {
	e, r := &encoder{}, manyContainers(5000)
	for i := 0; b.Loop(); i++ {
		r.PreviousState["app42"] = oneContainer(42, fmt.Sprint(i))
		if _, err := e.yaml(r); err != nil {
			b.Fatal(err)
		}
	}
}

// What a cycle records waits in the outbox first: there too a change writes one container.
func TestWhatWaitsIsEncodedWithTheTextsThatAreKept(t *testing.T) {
	t.Parallel()
	const count = 2 * minKept
	remote, err := gitrepo.NewRemote(t.TempDir(), gitrepo.Auth{})
	if err != nil {
		t.Fatal(err)
	}
	records, err := OpenRecords(t.TempDir(), remote, "gitsync/state", gitrepo.Signature{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = records.Close() })
	r := manyContainers(count)
	for _, tag := range []string{"1", "2"} {
		r.PreviousState["app77"] = oneContainer(77, tag)
		if err := records.Put(map[string]*Record{"web1": r}, Entry{}); err != nil {
			t.Fatal(err)
		}
	}
	if e := records.encoders["web1"]; e == nil || e.written > count+1 {
		t.Errorf("all containers were written again: %+v", e)
	}
	list := records.waiting.box.List()
	item, err := records.waiting.box.Get(list[len(list)-1].Seq)
	want, yamlErr := r.YAML()
	if err != nil || yamlErr != nil || *item.Records["web1"] != string(want) {
		t.Errorf("the record is another one than that which is written as a whole: %v, %v", err, yamlErr)
	}
	if err := records.Put(map[string]*Record{"web1": nil}, Entry{}); err != nil || records.encoders["web1"] != nil {
		t.Errorf("the texts of a host that is removed are kept: %v", err)
	}
}
