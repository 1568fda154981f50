package docker_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	goruntime "runtime"
	"strings"
	"testing"
	"time"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/docker"
)

// someID is an ID as engines give them.
var someID = strings.Repeat("0123456789abcdef", 4)

// hostileEngine is a server that answers each call with what the test likes, and the
// runtime that believes it to be an engine.
func hostileEngine(t *testing.T, answers func(w http.ResponseWriter, r *http.Request)) *docker.Runtime {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/_ping") {
			w.Header().Set("Api-Version", "1.41")
			return
		}
		w.Header().Set("Content-Type", "application/json")
		answers(w, r)
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	rt, err := (&docker.Config{Host: "tcp://" + strings.TrimPrefix(server.URL, "http://"), PullStall: types.Duration(time.Second)}).New()
	if err != nil {
		t.Fatal(err)
	}
	engine := rt.(*docker.Runtime)
	t.Cleanup(func() { _ = engine.Close() })
	return engine
}

// flood writes a text again and again until the client has had enough.
func flood(begin, text string) http.HandlerFunc {
	chunk := []byte(strings.Repeat(text, 1+(1<<16)/len(text)))
	return func(w http.ResponseWriter, r *http.Request) {
		_, err := w.Write([]byte(begin))
		for err == nil && r.Context().Err() == nil {
			_, err = w.Write(chunk)
		}
	}
}

func answering(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
}

// The calls that read an answer of the engine's.
var calls = map[string]func(ctx context.Context, e *docker.Runtime) error{
	"list": func(ctx context.Context, e *docker.Runtime) error {
		rows, err := e.List(ctx, nil)
		for _, row := range rows {
			if strings.ContainsAny(row.ID, "/?#\x1b") {
				return nil // taken as it is
			}
		}
		return err
	},
	"inspect":  func(ctx context.Context, e *docker.Runtime) error { _, err := e.Inspect(ctx, someID); return err },
	"describe": func(ctx context.Context, e *docker.Runtime) error { _, err := e.Describe(ctx, someID); return err },
	"status":   func(ctx context.Context, e *docker.Runtime) error { _, err := e.Status(ctx, someID); return err },
	"find":     func(ctx context.Context, e *docker.Runtime) error { _, err := e.Find(ctx, "web"); return err },
	"create": func(ctx context.Context, e *docker.Runtime) error {
		_, err := e.Create(ctx, &types.ContainerConfig{Name: "web", Image: "nginx"})
		return err
	},
	"pull": func(ctx context.Context, e *docker.Runtime) error {
		return e.Pull(ctx, "nginx:1", runtime.PullOptions{})
	},
	"read": func(ctx context.Context, e *docker.Runtime) error {
		_, err := e.Read(ctx, someID, []string{"/etc/x"})
		return err
	},
	"stat": func(ctx context.Context, e *docker.Runtime) error {
		_, err := e.Stat(ctx, someID, []string{"/etc/x"})
		return err
	},
	"logs": func(ctx context.Context, e *docker.Runtime) error { _, err := e.Logs(ctx, someID, 10); return err },
	"watch": func(ctx context.Context, e *docker.Runtime) error {
		return e.Watch(ctx, time.Time{}, func() {}, func(runtime.Event) {})
	},
}

const whole = `{"Id":"0123456789abcdef","State":{},"Config":{},"HostConfig":{}}`

// inspectable answers to an inspection in good order, and to the rest as told.
func inspectable(rest http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/json") {
			answering(whole)(w, r)
			return
		}
		rest(w, r)
	}
}

func archive(stat string, body http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Docker-Container-Path-Stat", base64.StdEncoding.EncodeToString([]byte(stat)))
		body(w, r)
	}
}

// engineAttack is an answer to a call. A want of "-" means that it is no error.
type engineAttack struct {
	call   string
	answer http.HandlerFunc
	want   string
}

func engineAttacks() map[string]engineAttack {
	const file = `{"name":"x","size":5,"mode":420}`
	return map[string]engineAttack{
		"a list that does not end":      {"list", flood("[", `{"Id":"0123456789ab"},`), "too large"},
		"a list of nothing, very often": {"list", flood("[", "{},"), "too large"},
		"a text that does not end":      {"inspect", flood(`{"Id":"`, "a"), "too large"},
		"nested without end":            {"list", flood("", "["), ""},
		"half a list":                   {"list", answering(`[{"Id":"0123456789ab"`), "EOF"},
		"HTML":                          {"list", answering("<html>login</html>"), "invalid character"},
		"another type":                  {"list", answering(`{"Id":1}`), "cannot unmarshal"},
		"an ID that is a path":          {"list", answering(`[{"Id":"../volumes/data"}]`), "makes no sense"},
		"an ID with an escape sequence": {"list", answering(`[{"Id":"ab\u001b[2J"}]`), "makes no sense"},
		"a status that is none":         {"list", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(999) }, "999"},
		"a redirect": {"list", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/x", http.StatusFound)
		}, ""},
		"an error that does not end":            {"list", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500); flood(`{"message":"`, "x")(w, r) }, ""},
		"headers that do not end":               {"list", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Y", strings.Repeat("x", 2<<20)) }, "header"},
		"an empty container":                    {"inspect", answering("{}"), "makes no sense"},
		"null":                                  {"inspect", answering("null"), "makes no sense"},
		"no state":                              {"status", answering(`{"Id":"0123456789ab","Config":{},"HostConfig":{}}`), "makes no sense"},
		"no config":                             {"find", answering(`{"Id":"0123456789ab","Name":"/web","State":{},"HostConfig":{}}`), "makes no sense"},
		"no host config":                        {"describe", answering(`{"Id":"0123456789ab","Config":{},"State":{}}`), "makes no sense"},
		"an image that is a path":               {"describe", answering(`{"Id":"0123456789ab","Image":"../containers/x","State":{},"Config":{},"HostConfig":{}}`), "makes no sense"},
		"a container that does not end":         {"inspect", flood(`{"Id":"0123456789ab","Config":{"Env":["`, "x"), "too large"},
		"a new container without an ID":         {"create", answering("{}"), "makes no sense"},
		"a new container whose ID is a path":    {"create", answering(`{"Id":"x/../../volumes/data"}`), "makes no sense"},
		"progress that is garbage":              {"pull", answering("\x00\x01"), "invalid character"},
		"a line of progress that does not end":  {"pull", flood(`{"status":"`, "x"), "more than"},
		"a pull that says nothing":              {"pull", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "sent nothing"},
		"an error in the pull":                  {"pull", answering(`{"error":"\u001b[2J manifest unknown"}`), "manifest unknown"},
		"a file that claims to be huge":         {"read", archive(`{"size":1099511627776,"mode":420}`, answering("")), "the limit is"},
		"an archive that is garbage":            {"read", archive(file, answering(strings.Repeat("x", 1024))), "invalid tar header"},
		"half an archive":                       {"read", archive(file, answering("x")), "EOF"},
		"an archive with a name without end":    {"read", archive(file, flood(gnuLongName(), "x")), "tar"},
		"no word about the file":                {"read", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200) }, ""},
		"a word about the file that is garbage": {"stat", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Docker-Container-Path-Stat", "%%%") }, ""},
		"a log whose frame claims 4 GiB":        {"logs", inspectable(answering("\x01\x00\x00\x00\xff\xff\xff\xffhello")), "-"},
		"a log that does not end":               {"logs", inspectable(flood("\x01\x00\x00\x00\xff\xff\xff\xff", "x")), "-"},
		"a log of an unknown kind":              {"logs", inspectable(answering("\x09\x00\x00\x00\x00\x00\x00\x05hello")), "makes no sense"},
		"an event that does not end":            {"watch", flood(`{"status":"`, "x"), "too large"},
		"an event that is garbage":              {"watch", answering("hello"), "invalid character"},
	}
}

// Whatever an engine answers is an error, in time, and does not fill memory.
func TestAHostileEngineIsAnError(t *testing.T) {
	for name, c := range engineAttacks() {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			engine := hostileEngine(t, c.answer)
			begun, before := time.Now(), allocated()
			err := calls[c.call](ctx, engine)
			grown := allocated() - before
			switch {
			case ctx.Err() != nil:
				t.Errorf("it did not end")
			case c.want == "-" && err != nil:
				t.Errorf("got %v", err)
			case c.want != "-" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
			if grown > 1<<30 {
				t.Errorf("it took %d MiB in all", grown>>20)
			}
			t.Logf("%d MiB in all, %s: %.200v", grown>>20, time.Since(begun).Round(time.Millisecond), err)
		})
	}
}

// allocated is how many bytes were taken from the beginning, given back or not.
func allocated() uint64 {
	var m goruntime.MemStats
	goruntime.ReadMemStats(&m)
	return m.TotalAlloc
}

// gnuLongName is the beginning of an archive whose first entry's name has many bytes.
func gnuLongName() string {
	head := make([]byte, 512)
	copy(head, "././@LongLink")
	copy(head[100:], "0000644\x000000000\x000000000\x0077777777777\x0000000000000\x00")
	head[156] = 'L'
	copy(head[257:], "ustar  \x00")
	copy(head[148:], "        ")
	sum := 0
	for _, b := range head {
		sum += int(b)
	}
	copy(head[148:], fmt.Sprintf("%06o\x00 ", sum))
	return string(head)
}

// An ID or a reference is a step of a URL's path, and may come from a state branch that
// somebody tampered with: it must not become another call.
func TestAnIDIsNeverAnotherCall(t *testing.T) {
	engine := hostileEngine(t, func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("the engine was asked: %s %s", r.Method, r.URL)
		w.WriteHeader(http.StatusTeapot)
	})
	ctx := t.Context()
	for _, id := range []string{"../volumes/data", "x/../../volumes/data?force=1", "a/b", "", "..", "a?force=1", "a#b", "a%2fb", "a\x1b[2J", "a b", strings.Repeat("a", 300)} {
		for what, err := range map[string]error{
			"delete": engine.Delete(ctx, id), "start": engine.Start(ctx, id), "stop": engine.Stop(ctx, id),
			"rename": engine.Rename(ctx, id, "x"), "signal": engine.Signal(ctx, id, "TERM"),
			"copy": engine.Copy(ctx, id, []*types.File{{Path: "/x"}}), "unpause": engine.Unpause(ctx, id),
			"adjust": engine.Adjust(ctx, id, &types.ContainerConfig{}), "volume": engine.RemoveVolume(ctx, id),
		} {
			if err == nil {
				t.Errorf("%s %q: no error", what, id)
			}
		}
		if status, err := engine.Status(ctx, id); err != nil || status.Exists() {
			t.Errorf("status %q: %+v, %v", id, status, err)
		}
	}
	for _, ref := range []string{"../containers/json", "a/../../volumes/data", "a//b", "a?x", "a#x", "a%2e", "a\nb", ""} {
		if _, err := engine.HasImage(ctx, ref); err == nil {
			t.Errorf("has image %q: no error", ref)
		}
	}
}

// One image that the engine cannot read is one image.
func TestADamagedImageSpoilsItsOwnContainersAlone(t *testing.T) {
	t.Parallel()
	other := strings.Repeat("fedcba9876543210", 4)
	const row = `{"Id": %q, "Names": ["/%s"], "ImageID": "sha256:%s", "State": "running", "Labels": {"io.gitsync.host": "web1", "io.gitsync.container": %q}}`
	e := hostileEngine(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/containers/json"):
			_, _ = fmt.Fprintf(w, "["+row+","+row+"]", someID, "damaged", someID, "damaged", other, "web", other, "web")
		case strings.Contains(r.URL.Path, "/images/sha256:"+someID):
			http.Error(w, `{"message": "open /var/lib/docker/image: input/output error"}`, http.StatusInternalServerError)
		default:
			_, _ = w.Write([]byte(`{"Id": "sha256:` + other + `"}`))
		}
	})
	rows, err := e.List(t.Context(), nil)
	if err != nil || len(rows) != 2 {
		t.Fatalf("got %v, %v", rows, err)
	}
	for _, row := range rows {
		if want := strings.Contains(row.Name, "damaged"); row.ImageGone != want {
			t.Errorf("%s: the image is gone: %t", row.Name, row.ImageGone)
		}
	}
}
