package demo

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// Serve answers HTTP requests until the context is done, in the way of the image
// traefik/whoami, whose place it takes in the demo: --port and --name, or
// WHOAMI_PORT_NUMBER and WHOAMI_NAME.
func Serve(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("whoami", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	port := flags.String("port", envOr("WHOAMI_PORT_NUMBER", "80"), "port to listen on")
	name := flags.String("name", os.Getenv("WHOAMI_NAME"), "name to answer with")
	if err := flags.Parse(args); err != nil {
		return err
	}
	hostname, err := os.Hostname()
	if err != nil {
		return err
	}
	server := &http.Server{
		ReadHeaderTimeout: 5 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, "Name: %s\nVersion: %s\nHostname: %s\n", *name, os.Getenv("WHOAMI_VERSION"), hostname)
		}),
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", ":"+*port)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func envOr(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}
