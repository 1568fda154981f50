package policy_test

import (
	"maps"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/host/direct"
	"github.com/gitsync/gitsync/host/ssh"
	"github.com/gitsync/gitsync/policy"
	"github.com/gitsync/gitsync/runtime/docker"
)

// harmless begins the reason why no rule is about a field.
const harmless = "harmless: "

// judged says of each field of all that makes a container which rule is about it, or why
// none needs to be. Whoever adds a field decides here.
var judged = map[reflect.Type]map[string]string{
	reflect.TypeFor[types.ContainerConfig](): {
		"Name":           harmless + "a name that somebody else has is an error of the planner's",
		"Image":          "image",
		"Args":           harmless + "runs inside",
		"Entrypoint":     harmless + "runs inside",
		"Ports":          "ports",
		"Mounts":         "mounts",
		"Privileged":     "privileged",
		"NetworkMode":    "networkMode",
		"NetworkAliases": harmless + "names on a network that the host's owner made",
		"PidMode":        "pidMode",
		"IpcMode":        "ipcMode",
		"User":           "user",
		"Group":          harmless + "a group inside; what it opens on the host comes by a mount, which is judged",
		"Env":            harmless + "read inside",
		"Labels":         "labels",
		"Restart":        harmless + "when the engine starts it",
		"Workdir":        harmless + "a directory inside",
		"Hostname":       harmless + "a name inside",
		"Healthcheck":    harmless + "runs inside",
		"CapAdd":         "capAdd",
		"CapDrop":        harmless + "takes away",
		"Memory":         harmless + "a limit",
		"CPUs":           harmless + "a limit",
		"ExtraHosts":     harmless + "names inside",
		"Tmpfs":          harmless + "memory, in the container's own limits",
		"StopTimeout":    harmless + "how long a stop waits",
	},
	reflect.TypeFor[types.Mount](): {
		"Type": "mounts", "Source": "mounts", "Target": harmless + "a path inside", "ReadOnly": "mounts", "Propagation": "propagation",
	},
	reflect.TypeFor[types.PortMap](): {
		"IP": "ports", "Port": harmless + "a port inside, unless it is the host's too, which is judged", "HostPort": "ports", "Protocol": "ports",
	},
	reflect.TypeFor[types.Healthcheck](): {
		"Test": harmless + "runs inside", "Interval": harmless + "a time", "Timeout": harmless + "a time",
		"StartPeriod": harmless + "a time", "Retries": harmless + "a number",
	},
	reflect.TypeFor[container.HostConfiguredContainer](): {
		"Container":            "image",
		"Host":                 "address",
		"ConfigFiles":          "configFiles",
		"ConfigFileAttributes": "configFiles",
		"Update":               harmless + "how it is replaced",
		"Drift":                harmless + "what is repaired",
		"DependsOn":            harmless + "an order",
		"OneShot":              harmless + "when it is ready",
		"PreDeploy":            harmless + "an order: the job itself is judged as any container",
		"Protect":              harmless + "keeps it from being removed",
		"Dependants":           harmless + "a digest",
		"DependantSpecs":       harmless + "a digest",
		"ReadyPending":         harmless + "a memory of the deployment",
		"PostStartPending":     harmless + "a memory of the deployment",
		"Secrets":              harmless + "names and digests; what is done with them is judged",
		"Hooks":                harmless + "functions of a program that uses the library; a repo has none",
	},
	reflect.TypeFor[container.Container](): {"Config": "image", "Status": harmless + "what was found", "Runtime": "address"},
	reflect.TypeFor[container.FileAttributes](): {
		"Mode": "configFiles", "User": harmless + "the owner of a file that is judged", "Group": harmless + "the same",
		"OnChange": harmless + "what its own container is told",
	},
	reflect.TypeFor[container.RuntimeConfig](): {"Docker": "address", "Memory": harmless + "for trials; a repo has none"},
	reflect.TypeFor[host.Host]():               {"DirectConfig": "address", "SSHConfig": "address"},
	reflect.TypeFor[direct.Config]():           {},
	reflect.TypeFor[ssh.Config](): {
		"Address": "address", "Port": "address",
		"User":      harmless + "an account on a machine that is judged",
		"HostKey":   harmless + "which key it must have; whom the agent trusts besides is its own setting",
		"ProxyJump": harmless + "the way to it: the machine at its end is known by its key",
		"Password":  harmless + "refused in a repo", "PrivateKey": harmless + "refused in a repo",
		"ConnectionTimeout": harmless + "a time", "RetryTimeout": harmless + "a time", "RetryInterval": harmless + "a time",
	},
	reflect.TypeFor[docker.Config](): {
		"Host": "address", "Context": "address", "PullStall": harmless + "a time",
		"Dial":     harmless + "the program's own",
		"CertPath": harmless + "the agent's own setting; a repo has none",
	},
}

func TestEveryFieldOfAContainerIsJudgedOrKnownToBeHarmless(t *testing.T) {
	manual, err := os.ReadFile("../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	for of, fields := range judged {
		unknown := maps.Clone(fields)
		for i := range of.NumField() {
			name := of.Field(i).Name
			rule, known := fields[name]
			switch {
			case !known && of.Field(i).IsExported():
				t.Errorf("%s.%s: nobody has decided what the policy says about it: add a topic, or say why it is harmless", of, name)
			case strings.HasPrefix(rule, harmless) || !known:
			case !strings.Contains(string(manual), "\n| `"+rule+"` |"):
				t.Errorf("%s.%s: docs/policy.md has no row for the rule %s", of, name, rule)
			}
			delete(unknown, name)
		}
		for name := range unknown {
			t.Errorf("%s has no field %s", of, name)
		}
	}
}

func TestEveryKeyIsInTheManual(t *testing.T) {
	manual, err := os.ReadFile("../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range policy.Keys() {
		if !strings.Contains(string(manual), "\n| `"+key+"` |") {
			t.Errorf("docs/policy.md has no row for %s", key)
		}
	}
}
