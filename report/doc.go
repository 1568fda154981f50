// Package report tells the outside what became of a commit: commit statuses at a forge,
// deployment records, notifications to people.
//
// A [Fleet] is what one gitsync knows of its hosts. From it alone it is decided what is
// said: [Statuses] are those of its commits, [Messages] what people are told when one
// fleet became another. Both are pure.
//
// A [Reporter] says it:
//
//	r := report.New(report.Options{Forge: client, Notifier: people, File: dataDir + "/outbox.json"})
//	err := r.Run(ctx)    // posts until the context ends, in a goroutine of its own
//	r.Tell(ctx, fleet)   // after each cycle, and when a new commit was seen
//	err = r.Flush(ctx)   // before a process ends
//
// How: what is to be told goes into an outbox, in order. A later status of the same
// commit and context takes the place of one that was not told yet, and what the forge
// knows already is not told again. The forge and people have a lane each, which is told
// one thing after the other. A failure pauses its lane, from 5 seconds to 10 minutes; a
// rate limit until its end; a token that is refused for 10 minutes. What is refused for
// good is dropped.
//
// Guaranteed: telling never blocks or fails a deploy. Whatever fails in between, also
// the process, the last status of each commit and context arrives in the end, unless the
// forge refuses it. A commit whose place another took is not pending for ever. Messages
// are grouped: at most one of a kind for a cycle.
//
// Not guaranteed: that something is told only once, since an answer may be lost; that a
// message is told at all when nobody takes it for a day; more than the newest 1000 things
// that wait.
package report
