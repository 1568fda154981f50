package layout

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"

	"github.com/gitsync/gitsync/container"
)

func anything(string) (problem, hint string) { return "", "" }

var nameOnHost = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]+$`)

// containerName checks what Docker takes as a name, less what is ours.
func containerName(name string) (problem, hint string) {
	const limit = 128
	switch {
	case len(name) > limit:
		return fmt.Sprintf("is longer than %d characters", limit), ""
	case strings.Contains(name, container.ReservedInfix):
		return fmt.Sprintf("contains %q, which is kept for containers that are being replaced", container.ReservedInfix), "choose another name"
	case !nameOnHost.MatchString(name):
		return "is no name for a container", "use two or more of a-z, A-Z, 0-9, _, . and -, beginning with a letter or digit"
	}
	return "", ""
}

// imageReference checks an image as the engine does.
func imageReference(image string) (problem, hint string) {
	_, err := reference.ParseNormalizedNamed(image)
	switch {
	case err == nil:
		return "", ""
	case image == "":
		return "is empty", "write for example nginx:1.27"
	case strings.Contains(image, "://"):
		return "is no image reference", "leave the scheme out: write registry.example.com/team/app:1.0"
	}
	lower := strings.ToLower(image)
	if _, err := reference.ParseNormalizedNamed(lower); err == nil {
		return "is no image reference: the name must be lower case", "write " + lower
	}
	return "is no image reference", "write [registry/]name[:tag][@sha256:digest], such as nginx:1.27"
}

// absolutePath checks a path in a container, or on a host.
func absolutePath(p string) (problem, hint string) {
	switch {
	case len(p) > maxPath:
		return fmt.Sprintf("is longer than %d bytes", maxPath), ""
	case !path.IsAbs(p):
		return "is not absolute", "begin it with /"
	case slices.ContainsFunc(strings.Split(p, "/"), func(part string) bool { return len(part) > maxPathPart }):
		return fmt.Sprintf("has more than %d bytes between two slashes", maxPathPart), ""
	case path.Clean(p) != strings.TrimSuffix(p, "/") && p != "/":
		return "is not clean", "write " + quoted(path.Clean(p))
	}
	return "", ""
}

var namespaceOwner = regexp.MustCompile(`^container:[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)

// namespace checks a mode that is one of the given words, or container:<name>.
func namespace(words ...string) check {
	return func(mode string) (problem, hint string) {
		if slices.Contains(words, mode) || namespaceOwner.MatchString(mode) {
			return "", ""
		}
		return "is not one of " + strings.Join(words, ", ") + ", container:<name>", ""
	}
}

var networkName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)

// networkMode checks bridge, host, none, container:<name> or a network's name.
func networkMode(mode string) (problem, hint string) {
	if networkName.MatchString(mode) || namespaceOwner.MatchString(mode) {
		return "", ""
	}
	return "is no network", "write bridge, host, none, container:<name>, or the name of a network"
}

var accountName = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9_.-]*\$?$`)

// maxAccount is the largest number of a user or group.
const maxAccount = 1<<31 - 2

// account checks a user or a group, by name or number.
func account(name string) (problem, hint string) {
	if user, group, both := strings.Cut(name, ":"); both {
		return "holds a user and a group", fmt.Sprintf("write user: %q and group: %q", user, group)
	}
	if !accountName.MatchString(name) {
		return "is no name and no number", `write for example "1000" or www-data`
	}
	if n, err := strconv.ParseUint(name, 10, 64); errors.Is(err, strconv.ErrRange) || err == nil && n > maxAccount {
		return fmt.Sprintf("is above %d", maxAccount), "write a smaller number"
	}
	return "", ""
}

var restartPolicies = []string{"no", "always", "unless-stopped", "on-failure"}

// restartPolicy checks one of Docker's policies.
func restartPolicy(policy string) (problem, hint string) {
	name, retries, limited := strings.Cut(policy, ":")
	if n, err := strconv.Atoi(retries); limited && name == "on-failure" && (err != nil || n < 1) {
		return "has no number of retries", "write for example on-failure:5"
	}
	if !slices.Contains(restartPolicies, name) || limited && name != "on-failure" {
		return "is no restart policy", "write no, always, unless-stopped, on-failure or on-failure:5"
	}
	return "", ""
}

var hostnames = regexp.MustCompile(`^[a-zA-Z0-9_]([a-zA-Z0-9_-]*[a-zA-Z0-9_])?(\.[a-zA-Z0-9_]([a-zA-Z0-9_-]*[a-zA-Z0-9_])?)*$`)

const (
	// maxHostname is Linux's limit for the name of a machine.
	maxHostname = 64
	// maxDomain and maxLabel are the limits of DNS for a name, and between its dots.
	maxDomain, maxLabel = 253, 63
)

// hostname checks what Linux and Docker take.
func hostname(name string) (problem, hint string) {
	if len(name) > maxHostname || !hostnames.MatchString(name) {
		return "is no host name", fmt.Sprintf("use at most %d of a-z, A-Z, 0-9, _, - and .", maxHostname)
	}
	return "", ""
}

// lookupName checks a name that others look up.
func lookupName(name string) (problem, hint string) {
	isLong := func(label string) bool { return len(label) > maxLabel }
	if len(name) > maxDomain || !hostnames.MatchString(name) || slices.ContainsFunc(strings.Split(name, "."), isLong) {
		return "is no host name", fmt.Sprintf("use at most %d of a-z, A-Z, 0-9, _, - and ., and at most %d between dots", maxDomain, maxLabel)
	}
	return "", ""
}

// capabilities are those of Linux 6, by the names that capabilities(7) gives
// them without CAP_.
var capabilities = strings.Fields(`ALL AUDIT_CONTROL AUDIT_READ AUDIT_WRITE
	BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE DAC_READ_SEARCH
	FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN
	MAC_OVERRIDE MKNOD NET_ADMIN NET_BIND_SERVICE NET_BROADCAST NET_RAW PERFMON
	SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_MODULE
	SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG
	WAKE_ALARM`)

// capability checks NET_ADMIN, CAP_NET_ADMIN or ALL, in either case.
func capability(name string) (problem, hint string) {
	word := strings.TrimPrefix(strings.ToUpper(name), "CAP_")
	if slices.Contains(capabilities, word) {
		return "", ""
	}
	if best := nearest(word, capabilities); best != "" {
		return "is no Linux capability", "did you mean " + best + "?"
	}
	return "is no Linux capability", "write for example NET_ADMIN; capabilities(7) lists them"
}
