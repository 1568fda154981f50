package notify

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

var errPanic = errors.New("the service's code panicked")

// status finds what may be an HTTP status in an error.
var status = regexp.MustCompile(`\b[345]\d\d\b`)

// reasons are what is said of an error that has such words in it.
var reasons = []struct{ words, say string }{
	{"no such host", "no such host"},
	{"connection refused", "connection refused"},
	{"connection reset", "connection reset"},
	{"broken pipe", "connection closed"},
	{"EOF", "connection closed"},
	{"x509:", "its certificate is not trusted"},
	{"tls:", "no TLS connection"},
	{"network is unreachable", "network is unreachable"},
	{"no route to host", "no route to host"},
	{"timeout", "it does not answer in time"},
	{"deadline exceeded", "it does not answer in time"},
	{"Unauthorized", "it refuses the credentials"},
	{"authenticat", "it refuses the credentials"},
}

// reason says why a service did not take a message. The error that it gave may quote the
// URL with its tokens in some form, so only words that we know are taken from it.
func reason(err error) error {
	if err == nil || errors.Is(err, errPanic) {
		return err
	}
	text := err.Error()
	for _, r := range reasons {
		if strings.Contains(text, r.words) {
			return errors.New(r.say)
		}
	}
	for _, number := range status.FindAllString(text, -1) {
		code, convErr := strconv.Atoi(number)
		if says := http.StatusText(code); convErr == nil && says != "" && strings.Contains(text, number+" "+says) {
			return fmt.Errorf("it answers %s %s", number, says)
		}
	}
	return errors.New("it did not take the message; what it said is not shown, since it may hold a token")
}
