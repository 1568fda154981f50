// Command probe is what test containers run: an HTTP server that tells what it sees.
//
//	/env?name=X            the environment variable X
//	/args                  the arguments, one a line
//	/file?path=P           the file P
//	/write?path=P&text=T   writes the file P
//	/reloads               how many SIGHUPs came
//	/health                "ok", or status 500 with UNHEALTHY set
//	/results               how the requests to PROBE_URL went
//	/                      "ok"
//
// Its environment says what else it does:
//
//	PORT         the port (80)
//	DELAY        wait so long before the port is open
//	EXIT         end with this code, at once or after EXIT_AFTER, instead of serving
//	LINES        print so many lines first
//	PROBE_URL    request this address again and again, and count
//	PROBE_FRESH  look its name up, and connect, for each request anew
//
// "probe check" asks /health of the server in the same container, for health
// checks. SIGTERM lets the requests in hand end.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "check" {
		os.Exit(check())
	}
	fmt.Println("probe", strings.Join(os.Args[1:], " "))
	lines, _ := strconv.Atoi(os.Getenv("LINES"))
	for i := range lines {
		fmt.Println("line", i+1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if code, err := strconv.Atoi(os.Getenv("EXIT")); err == nil {
		wait(ctx, "EXIT_AFTER")
		fmt.Println("the end")
		os.Exit(code)
	}
	wait(ctx, "DELAY")
	if err := serve(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// wait waits as long as a variable says.
func wait(ctx context.Context, variable string) {
	d, err := time.ParseDuration(os.Getenv(variable))
	if err != nil {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func port() string {
	if p := os.Getenv("PORT"); p != "" {
		return p
	}
	return "80"
}

// check is the health check.
func check() int {
	client := &http.Client{Timeout: 20 * time.Second}
	response, err := client.Get("http://127.0.0.1:" + port() + "/health")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		fmt.Println("status", response.StatusCode)
		return 1
	}
	return 0
}

func serve(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	mux.HandleFunc("/env", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, os.Getenv(r.FormValue("name"))) })
	mux.HandleFunc("/args", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Join(os.Args[1:], "\n")) })
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) {
		data, err := os.ReadFile(r.FormValue("path"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		_, _ = w.Write(data)
	})
	mux.HandleFunc("/write", func(w http.ResponseWriter, r *http.Request) {
		if err := os.WriteFile(r.FormValue("path"), []byte(r.FormValue("text")), 0o644); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		if os.Getenv("UNHEALTHY") != "" {
			http.Error(w, "not well", http.StatusInternalServerError)
		}
	})
	countReloads(mux)
	requestAgainAndAgain(ctx, mux)
	server := &http.Server{Addr: ":" + port(), Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	ended := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(ended)
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(drain)
	})
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		return err
	}
	<-ended
	return nil
}

func countReloads(mux *http.ServeMux) {
	var reloads atomic.Int64
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		for range hangups {
			reloads.Add(1)
		}
	}()
	mux.HandleFunc("/reloads", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, reloads.Load()) })
}

// requestAgainAndAgain is the prober: it requests PROBE_URL every few milliseconds,
// over connections that it keeps as long as the server does.
func requestAgainAndAgain(ctx context.Context, mux *http.ServeMux) {
	url := os.Getenv("PROBE_URL")
	if url == "" {
		return
	}
	var good, failed atomic.Int64
	var last atomic.Value
	last.Store("")
	fresh := os.Getenv("PROBE_FRESH") != ""
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: fresh}}
	go func() {
		for ctx.Err() == nil {
			response, err := client.Get(url)
			if err == nil {
				// A connection is kept only when the answer was read to its end.
				_, err = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
			}
			if err != nil || response.StatusCode != http.StatusOK {
				failed.Add(1)
				last.Store(fmt.Sprint(err))
			} else {
				good.Add(1)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	mux.HandleFunc("/results", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "%d good, %d failed %s", good.Load(), failed.Load(), last.Load())
	})
}
