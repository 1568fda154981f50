package container

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// needs returns what must be there before the container, by key: what it depends
// on, and the owners of the namespaces that it shares, which must have started.
func (s ContainersState) needs(key string) map[string]Condition {
	m := s[key]
	needs := map[string]Condition{}
	if m == nil {
		return needs
	}
	c := m.Container.Config
	for _, mode := range []string{c.NetworkMode, c.PidMode, c.IpcMode} {
		name, shares := strings.CutPrefix(mode, "container:")
		if !shares {
			continue
		}
		for other, owner := range s {
			if owner != nil && owner.Container.Config.Name == name {
				needs[other] = Started
			}
		}
	}
	for other, condition := range m.DependsOn {
		needs[other] = condition
	}
	return needs
}

// Cycle returns the keys of containers that wait for each other, beginning and
// ending with the same key; nil when there are none. Containers wait for those
// that they depend on, and for those whose namespaces they share.
func (s ContainersState) Cycle() []string {
	done := map[string]bool{}
	var path []string
	var visit func(key string) []string
	visit = func(key string) []string {
		if i := slices.Index(path, key); i >= 0 {
			return append(slices.Clone(path[i:]), key)
		}
		if done[key] || s[key] == nil {
			return nil
		}
		path = append(path, key)
		for _, other := range sortedKeys(s.needs(key)) {
			if cycle := visit(other); cycle != nil {
				return cycle
			}
		}
		path = path[:len(path)-1]
		done[key] = true
		return nil
	}
	for _, key := range sortedKeys(s) {
		if cycle := visit(key); cycle != nil {
			return cycle
		}
	}
	return nil
}

// validateOrder reports dependencies that cannot be met.
func (s ContainersState) validateOrder() []error {
	var errs []error
	for _, key := range sortedKeys(s) {
		if s[key] == nil {
			continue
		}
		for _, other := range sortedKeys(s[key].DependsOn) {
			switch owner := s[other]; {
			case owner == nil:
				errs = append(errs, fmt.Errorf("container %s: dependsOn: there is no container %s", key, other))
			case s[key].DependsOn[other] == Completed && !owner.oneShot():
				errs = append(errs, fmt.Errorf("container %s: dependsOn %s: completed: it is no one-shot container, and never ends", key, other))
			case owner.machine().address() != s[key].machine().address():
				errs = append(errs, fmt.Errorf("container %s: dependsOn %s: it is on another machine", key, other))
			}
		}
	}
	if cycle := s.Cycle(); cycle != nil {
		errs = append(errs, fmt.Errorf("the containers %s wait for each other", strings.Join(cycle, " → ")))
	}
	return errs
}

// bindJobs tells each pre-deploy job which containers depend on it, so that it runs
// again when one of them changes.
func (s ContainersState) bindJobs() {
	for key, job := range s {
		if !job.PreDeploy {
			continue
		}
		sum, sumV2 := sha256.New(), sha256.New()
		for _, other := range sortedKeys(s) {
			if _, depends := s[other].DependsOn[key]; depends && !s[other].PreDeploy {
				fmt.Fprintf(sum, "%s %s\n", other, s[other].SpecDigest())
				fmt.Fprintf(sumV2, "%s %s\n", other, s[other].specDigestV2())
			}
		}
		job.DependantSpecs, job.Dependants = hex.EncodeToString(sum.Sum(nil)), hex.EncodeToString(sumV2.Sum(nil))
	}
}
