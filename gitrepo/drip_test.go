package gitrepo_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gitsync/gitsync/gitrepo"
)

// A server that sends one byte now and then must not hold up whoever is to end: neither while
// it lists references, nor in a pack.
func TestAServerThatDripsIsLeftAtOnceWhenTheContextEnds(t *testing.T) {
	const tip = "1111111111111111111111111111111111111111"
	for name, dripsAt := range map[string]string{"in its references": "/x.git/info/refs", "in a pack": "/x.git/git-upload-pack"} {
		t.Run(name, func(t *testing.T) {
			dripping := make(chan struct{}, 10)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				greeting := "0045" + tip + " refs/heads/main\x00shallow\n"
				if r.URL.Path != dripsAt {
					_, _ = w.Write([]byte(greeting + "0000"))
					return
				}
				ticker := time.NewTicker(10 * time.Millisecond)
				defer ticker.Stop()
				for i := 0; ; i++ {
					if _, err := w.Write([]byte{greeting[i%len(greeting)]}); err != nil || http.NewResponseController(w).Flush() != nil {
						return
					}
					if i == 5 {
						dripping <- struct{}{}
					}
					select {
					case <-r.Context().Done():
						return
					case <-ticker.C:
					}
				}
			}))
			defer server.Close()
			remote := open(t, server.URL+"/x.git", gitrepo.Auth{})
			store := openStore(t, t.TempDir(), remote, "main")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan error, 1)
			go func() {
				_, err := store.Fetch(ctx, tip)
				done <- err
			}()
			<-dripping
			cancel()
			select {
			case err := <-done:
				if !errors.Is(err, context.Canceled) {
					t.Errorf("fetch: %v, want the context's error", err)
				}
			case <-time.After(20 * time.Second):
				t.Error("the fetch goes on")
			}
		})
	}
}
