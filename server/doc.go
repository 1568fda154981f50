// Package server listens for webhooks: a forge tells of a push, and the next cycle
// begins at once instead of at the next poll.
//
// A request to POST /webhook goes through these steps; the first one that fails answers.
//
//  1. It must carry a signature of a forge, or GitLab's token: otherwise it is turned
//     away before its body is read.
//  2. Its body is read, bounded in size, time and number of bodies at once.
//  3. Each signature that it carries must be one made with the secret.
//  4. Only pushes count. A ping is answered, and other events are let pass.
//  5. Of the payload nothing is read but the names of the branches. When the followed
//     one is among them, Trigger is called.
//
// What is guaranteed: nothing of a payload is believed besides that name, since the cycle
// fetches by itself; a request never waits for a cycle; whoever lacks the secret can make
// gitsync do no more than hash a bounded number of bytes; no text of a request is in an
// answer besides the name of a branch that was signed.
//
// What is not: a delivery can be repeated by who overheard it, which starts a cycle that
// finds nothing new. There is no TLS: put a proxy before it. A delivery that is lost costs
// the time to the next poll, which goes on all the same.
//
// GET /healthz answers 200 and "ok" while all is well, and 503 with a reason when cycles have
// failed for long or have stopped. It answers beside any number of slow connections: when
// there are too many, those are closed that send no request, beginning with the address that
// has the most.
package server
