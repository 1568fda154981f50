package sync

// assume stands in for a look at a host that is not to be asked.
func assume(h *HostResult) {
	h.deployment.Assume()
	h.Checked = true
	h.Current = h.deployment.Current()[0]
}
