package trust_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gitsync/gitsync/trust"
)

// damages are what crashes leave of a file.
var damages = map[string]func(whole []byte) []byte{
	"empty":     func([]byte) []byte { return nil },
	"cut":       func(whole []byte) []byte { return whole[:len(whole)/2] },
	"all zeros": func(whole []byte) []byte { return make([]byte, len(whole)) },
	"zeros behind": func(whole []byte) []byte {
		return append(whole[:len(whole)/2:len(whole)/2], make([]byte, len(whole)/2)...)
	},
	"another type": func([]byte) []byte { return []byte(`[1, 2]`) },
}

// remembered is a file that holds an accepted commit.
func remembered(t *testing.T) (file string, whole []byte) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "trust.json")
	m, err := trust.OpenMemory(file, false)
	if err == nil {
		err = m.Accept("abc", time.Unix(1, 0))
	}
	if err != nil {
		t.Fatal(err)
	}
	if whole, err = os.ReadFile(file); err != nil {
		t.Fatal(err)
	}
	return file, whole
}

func TestADamagedMemoryIsAnErrorWhereCommitsAreVerified(t *testing.T) {
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			file, whole := remembered(t)
			if err := os.WriteFile(file, damage(whole), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := trust.OpenMemory(file, false)
			if err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "restore it, or remove it") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestADamagedMemoryIsBegunAgainWhereNothingIsVerified(t *testing.T) {
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			file, whole := remembered(t)
			broken := damage(whole)
			if err := os.WriteFile(file, broken, 0o600); err != nil {
				t.Fatal(err)
			}
			var said []string
			m, err := trust.OpenDispensable(file, false, func(err error) { said = append(said, err.Error()) })
			if err != nil {
				t.Fatal(err)
			}
			if m.Accepted() != "" || len(said) != 1 || !strings.Contains(said[0], file+".damaged") {
				t.Errorf("accepted %q, said %q", m.Accepted(), said)
			}
			if err := m.Accept("def", time.Unix(2, 0)); err != nil {
				t.Error(err)
			}
			again, err := trust.OpenMemory(file, false)
			if err != nil || again.Accepted() != "def" {
				t.Errorf("got %v, %v", again, err)
			}
			if aside, err := os.ReadFile(file + ".damaged"); err != nil || string(aside) != string(broken) {
				t.Errorf("set aside: %q, %v", aside, err)
			}
			// A disk that damages it under a process that runs takes nothing from that.
			if err := os.WriteFile(file, broken, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := m.Confirm(map[string]string{"web1": "1"}); err != nil || m.Accepted() != "def" || !m.Confirmed("web1", "1") {
				t.Errorf("accepted %q, %v", m.Accepted(), err)
			}
		})
	}
}

// Several processes may find the same damage: none of them sets aside what another one has
// written since.
func TestADamagedMemoryIsSetAsideOnceByAll(t *testing.T) {
	t.Parallel()
	for round := range 30 {
		file := filepath.Join(t.TempDir(), "trust.json")
		if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		const processes = 8
		var said atomic.Int64
		var group errgroup.Group
		for i := range processes {
			group.Go(func() error {
				m, err := trust.OpenDispensable(file, false, func(error) { said.Add(1) })
				if err != nil {
					return err
				}
				return m.Confirm(map[string]string{fmt.Sprintf("web%d", i): "1"})
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		m, err := trust.OpenMemory(file, true)
		if err != nil {
			t.Fatal(err)
		}
		for i := range processes {
			if !m.Confirmed(fmt.Sprintf("web%d", i), "1") {
				t.Errorf("round %d: what process %d remembered is lost", round, i)
			}
		}
		if said.Load() != 1 {
			t.Errorf("round %d: it was set aside %d times", round, said.Load())
		}
	}
}

func TestWhoOnlyLooksLeavesADamagedMemoryAlone(t *testing.T) {
	file, _ := remembered(t)
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := trust.OpenDispensable(file, true, func(err error) { t.Errorf("said %v", err) })
	if err != nil || m.Accepted() != "" {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
}

func TestADamagedMemoryConfirmsNoMachine(t *testing.T) {
	for name, damage := range damages {
		file, _ := remembered(t)
		m, err := trust.OpenMemory(file, false)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.SetMachines(map[string]trust.Machine{"web1": {Address: "ssh://10.0.0.7:22", Key: "SHA256:x"}}); err != nil {
			t.Fatal(err)
		}
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := trust.OpenMemory(file, true); err != nil || again.Machine("web1").Key != "SHA256:x" {
			t.Errorf("got %v, %v, want the machine", again, err)
		}
		if err := os.WriteFile(file, damage(whole), 0o600); err != nil {
			t.Fatal(err)
		}
		again, err := trust.OpenDispensable(file, false, func(error) {})
		if err != nil || again.Machine("web1") != (trust.Machine{}) {
			t.Errorf("%s: got %+v, %v, want no machine", name, again.Machine("web1"), err)
		}
	}
}
