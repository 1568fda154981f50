// Package notify sends messages to people: Slack, Matrix, ntfy, mail, webhooks and the
// other services of shoutrrr, each as a URL.
//
//	n, err := notify.New([]string{"slack://token@channel", "ntfy://ntfy.sh/topic"})
//	err = n.Send(ctx, "gitsync: web3 failed", "web3 db: never healthy")
//
// Guaranteed: a URL, which has tokens in it, is in no error and no log; of an error of a
// service only words of a fixed list are passed on. A service that never answers holds
// one goroutine, however often it is sent to. A message that some services took is sent
// only to the others when it is handed in again.
//
// Not guaranteed: that a message arrives once. A service that answers too late gets it
// twice. What shoutrrr sends cannot be cancelled: the goroutine of a hung service ends
// with its connection.
package notify
