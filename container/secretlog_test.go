package container_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/runtime/memory"
	"github.com/gitsync/gitsync/secret"
)

// redacting opens nothing, and knows what is secret.
type redacting struct {
	theirNames
	*secret.Redactor
}

func (r redacting) Redact(text string) string { return r.Redactor.Redact(text) }

func TestASecretThatALogIsCutInIsNotReportedInPart(t *testing.T) {
	const value, limit = "correct-horse-battery-staple", 64 << 10
	key := strings.Repeat("short\nlines\n", 12)
	for name, logs := range map[string]string{
		"at its limit of bytes": "the password " + value + strings.Repeat(".", limit-len(value)/2),
		"at the last line":      strings.Repeat("a line\n", 5) + key + "refused\n",
		"with colors in it":     "the password correct-\x1b[31mhorse-battery\x1b[0m-staple\n",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.Behave("crash:1", memory.Behaviour{Ends: true, ExitCode: 3, Logs: logs})
			c := w.containers(spec("web", image("crash:1")))
			known := &secret.Redactor{}
			known.Add(value, key)
			c.Secrets = redacting{Redactor: known}
			var failure *container.Failure
			if err := c.DeployContext(t.Context()); !errors.As(err, &failure) || failure.Report == nil {
				t.Fatalf("deploy: %v, want a report", err)
			}
			got := strings.Join(failure.Report.LastLines, "\n")
			if strings.Contains(got, "staple") || strings.Contains(got, "battery") || strings.Contains(got, "short") || !strings.Contains(got, secret.Redacted) {
				t.Errorf("got %.200q", got)
			}
		})
	}
}
