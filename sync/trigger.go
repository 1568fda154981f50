package sync

// Trigger makes Run begin its next cycle at once: when it waits, now; when a cycle is at
// work, right after it, since that one may have read the branch already. It never waits,
// and several triggers before that cycle are one. The schedule goes on after it.
func (s *Syncer) Trigger() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
