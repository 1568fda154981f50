package docker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/internal/dockertest"
)

// The docker command of today asks for a MAC address in words that older engines do not
// know, so the engine itself is asked.
func TestAMACAddressThatSomebodyAskedForIsTold(t *testing.T) {
	t.Parallel()
	engine, socket := dockertest.Require(t), dockertest.Socket(t)
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	t.Cleanup(client.CloseIdleConnections)
	image, name := dockertest.Image(t, engine), dockertest.Name("mac")
	labels := map[string]string{"io.gitsync.test": name}
	dockertest.RemoveLabelled(t, engine, labels)
	for _, mac := range []string{"", "02:42:c6:12:00:99"} {
		body, err := json.Marshal(map[string]any{"Image": image, "MacAddress": mac, "Labels": labels})
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Post("http://docker/v1.41/containers/create?name="+name+"-"+fmt.Sprint(len(mac)), "application/json", strings.NewReader(string(body)))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		var created struct {
			ID string `json:"Id"`
		}
		if err != nil || json.Unmarshal(answer, &created) != nil || created.ID == "" {
			t.Fatalf("%v: %s", err, answer)
		}
		if err := engine.Start(t.Context(), created.ID); err != nil {
			t.Fatal(err)
		}
		facts, err := engine.Describe(t.Context(), created.ID)
		if err != nil || facts.Other["macAddress"] != mac {
			t.Errorf("it tells %q, %v, want %q", facts.Other, err, mac)
		}
	}
}
