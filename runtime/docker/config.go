package docker

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/docker/docker/client"
	"github.com/docker/go-connections/sockets"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
)

// Config says how to reach a Docker Engine. The zero value is the local one.
type Config struct {
	// Host is the engine's address, such as unix:///run/docker.sock or
	// tcp://10.0.0.7:2376. Empty means $DOCKER_HOST, or else the default socket.
	Host string `json:"host,omitempty"`
	// Context is a Docker context of this machine (docker context ls), which says the
	// address and has the certificates. It excludes Host.
	Context string `json:"context,omitempty"`
	// PullStall is how long a pull may make no progress before it is given up; 0 means
	// two minutes.
	PullStall types.Duration `json:"pullStall,omitempty"`
	// CertPath is a directory with ca.pem, cert.pem and key.pem for tcp:// addresses, or
	// with directories of them that are named like the hosts of the addresses. Empty
	// means $DOCKER_CERT_PATH.
	CertPath string `json:"-"`
	// Dial, when set, opens the connections to Host: through SSH, say.
	Dial runtime.DialFunc `json:"-"`
}

var _ runtime.Config = (*Config)(nil)

// GetAddress returns the address, with its default filled in: $DOCKER_HOST, the context
// that is set or in use, the default socket. For a context that cannot be used it is the
// default socket, and [Config.New] returns the error.
func (c *Config) GetAddress() string {
	e, err := c.endpoint()
	if err != nil {
		return client.DefaultDockerHost
	}
	return e.address
}

// Chosen says whether Host is another address than the one that the settings of this
// machine lead to.
func (c *Config) Chosen() bool {
	return c.Host != "" && c.Context == "" && c.Host != (&Config{}).GetAddress()
}

// ByTLS says whether the engine is spoken to by TLS, with certificates of this machine's.
func (c *Config) ByTLS() bool {
	e, err := c.endpoint()
	return err == nil && e.certs != "" && !e.insecure
}

// SetAddress changes the address.
func (c *Config) SetAddress(address string) { c.Host, c.Context = address, "" }

// New returns the runtime. A tcp:// address is spoken to by TLS when there are
// certificates for it. Where no address is set, $DOCKER_API_VERSION counts too.
//
// Errors: [ErrContext].
func (c *Config) New() (runtime.Runtime, error) {
	e, err := c.endpoint()
	if err != nil {
		return nil, err
	}
	address := e.address
	url, err := client.ParseHostURL(address)
	if err != nil {
		return nil, fmt.Errorf("docker address %q: %w", address, err)
	}
	transport := &http.Transport{
		// As many idle connections as are used at once, or they are dialled anew
		// all the time.
		MaxIdleConnsPerHost: 8, IdleConnTimeout: 90 * time.Second, DisableCompression: true,
		MaxResponseHeaderBytes: 1 << 20,
	}
	if err := sockets.ConfigureTransport(transport, url.Scheme, url.Host); err != nil {
		return nil, fmt.Errorf("docker address %q: %w", address, err)
	}
	if c.Dial != nil {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return c.Dial(ctx, url.Scheme, url.Host)
		}
	}
	if transport.TLSClientConfig, err = e.tls(); err != nil {
		return nil, err
	}
	opts := []client.Opt{client.WithAPIVersionNegotiation()}
	if transport.TLSClientConfig != nil {
		// The client would find out, if the transport were not a bounded one.
		opts = append(opts, client.WithScheme("https"))
	}
	if c.Host == "" && c.Dial == nil {
		opts = append(opts, client.WithVersionFromEnv())
	}
	engineClock := &clock{}
	// The address first: it would make the transport dial it on this machine.
	opts = append(opts, client.WithHost(address), client.WithHTTPClient(&http.Client{Transport: bounded{transport, engineClock}, CheckRedirect: client.CheckRedirect}))
	api, err := client.NewClientWithOpts(opts...)
	if err != nil {
		return nil, fmt.Errorf("open docker at %s: %w", address, err)
	}
	stall := time.Duration(c.PullStall)
	if stall == 0 {
		stall = defaultPullStall
	}
	return &Runtime{api: api, idle: transport.CloseIdleConnections, address: address, pullStall: stall, clock: engineClock}, nil
}
