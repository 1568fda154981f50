package ssh

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// maxJumps bounds the way to a host.
const maxJumps = 8

// CheckProxyJump says what is wrong with a [Config.ProxyJump], in words that follow it.
func CheckProxyJump(text string) error {
	_, err := parseJumps(text)
	return err
}

// parseJumps reads [user@]host[:port] or ssh://…, with commas between several; "none"
// and "" are none.
func parseJumps(text string) ([]Config, error) {
	if text == "" || strings.EqualFold(text, "none") {
		return nil, nil
	}
	var jumps []Config
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimPrefix(strings.TrimSpace(part), "ssh://")
		var c Config
		if user, rest, ok := strings.Cut(part, "@"); ok {
			c.User, part = user, rest
		}
		c.Address = strings.Trim(part, "[]")
		if host, port, err := net.SplitHostPort(part); err == nil {
			number, err := strconv.Atoi(port)
			if err != nil || number < 1 || number > 65535 {
				return nil, fmt.Errorf("has %q, which is no port", port)
			}
			c.Address, c.Port = host, number
		}
		if c.Address == "" || strings.ContainsAny(c.Address, " /@") || strings.Contains(c.User, ":") {
			return nil, fmt.Errorf("is no list of jump hosts: write user@host:port, with commas between several")
		}
		if jumps = append(jumps, c); len(jumps) > maxJumps {
			return nil, fmt.Errorf("has more than %d jump hosts", maxJumps)
		}
	}
	return jumps, nil
}

// joinJumps writes jump hosts as ProxyJump has them.
func joinJumps(jumps []Config) string {
	var parts []string
	for _, j := range jumps {
		part := j.Address
		if j.Port != 0 {
			part = j.HostPort()
		}
		if j.User != "" {
			part = j.User + "@" + part
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ",")
}
