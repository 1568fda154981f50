package layout

// Keys returns the keys of every mapping of the format, by what the mapping is.
func Keys() map[string][]string {
	return map[string][]string{
		"container":   keys(containerSchema),
		"port":        keys(longPort),
		"mount":       keys(longMount),
		"healthcheck": keys(healthcheckSchema),
		"config file": keys(configFileSchema),
		"host.yaml":   keys(hostSchema),
		"ssh":         keys(sshSchema),
		"docker":      keys(dockerSchema),
		"registry":    keys(loginSchema),
		"update":      keys(updateSchema),
		"drift":       keys(driftSchema),
		"host drift":  keys(hostDriftSchema),
		"gitsync":     keys(settingsSchema),
		"rollout":     keys(rolloutSchema),
		"prune":       keys(pruneSchema),
	}
}

// MaxPrinted is how many mistakes of a host are printed.
const MaxPrinted = maxMistakes

// Spent returns what the last load took: the steps of its last host, the names that were
// compared and the hints that were looked for.
func (l *Loader) Spent() (steps, comparisons, hints int) {
	return l.spent.steps, l.spent.comparisons, l.spent.hints
}

func keys[T any](s schema[T]) []string {
	var names []string
	for _, f := range s {
		names = append(names, f.key)
	}
	return names
}
