package container

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// needs returns what must be there before the container, by key: what it depends
// on, and the owners of the namespaces that it shares, which must have started. names are
// those of [ContainersState.names].
func (s ContainersState) needs(key string, names map[string][]string) map[string]Condition {
	m := s[key]
	needs := map[string]Condition{}
	if m == nil {
		return needs
	}
	for _, name := range m.owners() {
		for _, other := range names[name] {
			needs[other] = Started
		}
	}
	for other, condition := range m.DependsOn {
		needs[other] = condition
	}
	return needs
}

// names returns the keys of the containers, by the containers' names.
func (s ContainersState) names() map[string][]string {
	names := map[string][]string{}
	for key, m := range s {
		if m != nil {
			names[m.Container.Config.Name] = append(names[m.Container.Config.Name], key)
		}
	}
	return names
}

// Cycle returns the keys of containers that wait for each other, beginning and
// ending with the same key; nil when there are none. Containers wait for those
// that they depend on, and for those whose namespaces they share.
func (s ContainersState) Cycle() []string {
	names, done, onPath := s.names(), map[string]bool{}, map[string]bool{}
	var path []string
	var visit func(key string) []string
	visit = func(key string) []string {
		if onPath[key] {
			return append(slices.Clone(path[slices.Index(path, key):]), key)
		}
		if done[key] || s[key] == nil {
			return nil
		}
		path, onPath[key] = append(path, key), true
		for _, other := range sortedKeys(s.needs(key, names)) {
			if cycle := visit(other); cycle != nil {
				return cycle
			}
		}
		path, onPath[key] = path[:len(path)-1], false
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
	dependants := map[string][]string{}
	for _, key := range sortedKeys(s) {
		if !s[key].PreDeploy {
			for job := range s[key].DependsOn {
				dependants[job] = append(dependants[job], key)
			}
		}
	}
	digests := map[string][2]string{}
	for key, job := range s {
		if !job.PreDeploy {
			continue
		}
		sum, sumV2 := sha256.New(), sha256.New()
		for _, other := range dependants[key] {
			if _, made := digests[other]; !made {
				digests[other] = [2]string{s[other].SpecDigest(), s[other].specDigestV2()}
			}
			fmt.Fprintf(sum, "%s %s\n", other, digests[other][0])
			fmt.Fprintf(sumV2, "%s %s\n", other, digests[other][1])
		}
		job.DependantSpecs, job.Dependants = hex.EncodeToString(sum.Sum(nil)), hex.EncodeToString(sumV2.Sum(nil))
	}
}
