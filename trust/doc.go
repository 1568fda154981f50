// Package trust decides what gitsync believes of what it reads from Git.
//
// A [Gate] decides which commits are deployed: those that somebody signed who may, and
// that were built on the one that was accepted last. It decides before anything of the
// commit's tree is fetched or parsed. A [Seal] decides which tips of state branches count,
// where gitsync signs these. A [Memory] remembers, in the data directory, which
// commit that was, which records of the state branch this gitsync wrote or found confirmed
// by what runs, which machines were confirmed to be hosts, and how far the state branch was: what is in Git can be replaced by
// whoever may push there, what is in the data directory cannot.
//
// Not guaranteed: that a commit is good; only who answers for it. Without a data directory
// the memory is that of the process.
package trust
