package outbox_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gitsync/gitsync/state/outbox"
)

var noon = time.Date(2026, 2, 3, 12, 0, 0, 0, time.UTC)

// item is one with a record for each host.
func item(subject string, hosts ...string) outbox.Item {
	entry, _ := json.Marshal(subject)
	it := outbox.Item{Branch: "state", Base: "b", When: noon, Entry: entry, Records: map[string]*string{}}
	for _, host := range hosts {
		text := subject + " of " + host
		it.Records[host] = &text
	}
	return it
}

func open(t *testing.T, dir string, limits outbox.Limits) (*outbox.Box, []error) {
	t.Helper()
	box, problems, err := outbox.Open(dir, false, limits)
	if err != nil {
		t.Fatal(err)
	}
	return box, problems
}

// subjects are those of what waits, in order.
func subjects(t *testing.T, box *outbox.Box) []string {
	t.Helper()
	var out []string
	for _, w := range box.List() {
		it, err := box.Get(w.Seq)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, strings.Trim(string(it.Entry), `"`)+" "+strings.Join(w.Hosts, ","))
	}
	return out
}

func add(t *testing.T, box *outbox.Box, items ...outbox.Item) {
	t.Helper()
	for _, it := range items {
		if _, err := box.Add(it); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatWaitsIsThereInOrderForANewProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "outbox")
	box, _ := open(t, dir, outbox.Limits{})
	add(t, box, item("one", "web1"), item("two", "web1", "db1"), item("three", "web1"))
	if err := box.Remove(box.List()[0].Seq); err != nil {
		t.Fatal(err)
	}
	if _, err := box.Failed(noon, "refused"); err != nil {
		t.Fatal(err)
	}
	again, problems := open(t, dir, outbox.Limits{})
	if got, want := subjects(t, again), []string{"two db1,web1", "three web1"}; !slices.Equal(got, want) || len(problems) > 0 {
		t.Errorf("%v waits, want %v: %v", got, want, problems)
	}
	if s := again.Status(); !s.Since.Equal(noon) || s.Error != "refused" || s.Commits != 2 || s.Records != 3 || !s.Kept {
		t.Errorf("the status is %+v", s)
	}
	add(t, again, item("four", "web1"))
	if got := subjects(t, again); got[len(got)-1] != "four web1" {
		t.Errorf("%v waits, want the new one at the end", got)
	}
	if !again.Worked() || again.Status().Error != "" {
		t.Error("that it works is no news")
	}
}

func TestWhatIsDamagedOrHostileInAnOutboxIsPassedOver(t *testing.T) {
	for name, damage := range map[string]func(file string) error{
		"cut":         func(file string) error { return os.Truncate(file, 50) },
		"empty":       func(file string) error { return os.Truncate(file, 0) },
		"rubbish":     func(file string) error { return os.WriteFile(file, []byte("\x00{["), 0o600) },
		"a directory": func(file string) error { _ = os.Remove(file); return os.Mkdir(file, 0o700) },
		"a link":      func(file string) error { _ = os.Remove(file); return os.Symlink("/etc/passwd", file) },
		"a huge file": func(file string) error { return os.Truncate(file, 1<<40) },
		"a pipe that nobody writes to": func(file string) error {
			_ = os.Remove(file)
			return syscall.Mkfifo(file, 0o600)
		},
		"changed": func(file string) error {
			data, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			return os.WriteFile(file, []byte(strings.Replace(string(data), "web1", "../x", 1)), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			box, _ := open(t, dir, outbox.Limits{})
			add(t, box, item("one", "web1"), item("two", "web1"))
			if err := damage(filepath.Join(dir, fmt.Sprintf("%019d.json", 1))); err != nil {
				t.Fatal(err)
			}
			again, problems := open(t, dir, outbox.Limits{})
			if got := subjects(t, again); !slices.Equal(got, []string{"two web1"}) || len(problems) != 1 {
				t.Errorf("%v waits, with %v", got, problems)
			}
			if again, problems = open(t, dir, outbox.Limits{}); len(problems) > 0 || again.Len() != 1 {
				t.Errorf("it is said again: %v", problems)
			}
		})
	}
}

func TestWhereTooMuchWaitsTheNewestRecordOfEachHostIsKept(t *testing.T) {
	for name, limits := range map[string]outbox.Limits{"records": {Records: 5}, "bytes": {Bytes: 100}} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			box, _ := open(t, dir, limits)
			add(t, box, item("one", "web1", "db1"), item("two", "web1"), item("three", "web1"), item("four", "web1"), item("five", "web1"))
			again, problems := open(t, dir, limits)
			got := subjects(t, again)
			if len(problems) > 0 || !slices.Contains(got, "one db1") || got[len(got)-1] != "five web1" || len(got) > 3 {
				t.Errorf("%v waits: %v", got, problems)
			}
			dropped := 0
			for _, w := range again.List() {
				it, err := again.Get(w.Seq)
				if err != nil {
					t.Fatal(err)
				}
				dropped += it.Dropped
			}
			if s := again.Status(); dropped+s.Records != 6 {
				t.Errorf("%d were dropped, and %d wait, of 6", dropped, s.Records)
			}
		})
	}
}

func TestWhatCannotBeWrittenToTheDiskWaitsInMemory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "file", "outbox")
	if err := os.WriteFile(filepath.Dir(dir), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	box, _, err := outbox.Open(t.TempDir(), false, outbox.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := outbox.Open(dir, false, outbox.Limits{}); err == nil {
		t.Error("a directory that cannot be read is no error")
	}
	add(t, box, item("one", "web1"))
	memory, _ := open(t, "", outbox.Limits{})
	add(t, memory, item("one", "web1"))
	if s := memory.Status(); s.Kept || s.Commits != 1 {
		t.Errorf("the status is %+v", s)
	}
}

func TestAnOutboxThatIsOnlyReadStaysAsItIs(t *testing.T) {
	dir := t.TempDir()
	box, _ := open(t, dir, outbox.Limits{})
	add(t, box, item("one", "web1"), item("two", "web1"))
	damaged := filepath.Join(dir, fmt.Sprintf("%019d.json", 1))
	if err := os.Truncate(damaged, 10); err != nil {
		t.Fatal(err)
	}
	reader, problems, err := outbox.Open(dir, true, outbox.Limits{})
	if err != nil || len(problems) != 1 || reader.Len() != 1 {
		t.Errorf("%v, %v", problems, err)
	}
	_ = reader.Remove(reader.List()[0].Seq)
	if files, err := os.ReadDir(dir); err != nil || len(files) != 2 || files[0].Name() != filepath.Base(damaged) {
		t.Errorf("the directory holds %v, %v", files, err)
	}
}
