package policy

// Keys returns the keys of a host in a policy file.
func Keys() []string {
	var keys []string
	for _, t := range topics {
		keys = append(keys, t.key)
	}
	return keys
}
