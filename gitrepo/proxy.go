package gitrepo

import (
	"cmp"
	"net/http"
	"net/url"
	"os"

	"golang.org/x/net/http/httpproxy"
)

// proxyFromEnvironment is what Git and curl do with the environment, as far as it is
// documented: $HTTPS_PROXY and $HTTP_PROXY for remotes of these kinds, $ALL_PROXY for what
// has none of its own, and $NO_PROXY; in small letters too. Nothing is read from git config.
func proxyFromEnvironment() func(*http.Request) (*url.URL, error) {
	config := httpproxy.FromEnvironment()
	all := cmp.Or(os.Getenv("ALL_PROXY"), os.Getenv("all_proxy"))
	config.HTTPProxy, config.HTTPSProxy = cmp.Or(config.HTTPProxy, all), cmp.Or(config.HTTPSProxy, all)
	proxy := config.ProxyFunc()
	return func(request *http.Request) (*url.URL, error) { return proxy(request.URL) }
}
