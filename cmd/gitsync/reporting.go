package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/gitsync/gitsync/internal/disk"
	"github.com/gitsync/gitsync/internal/follow"
	"github.com/gitsync/gitsync/report"
	"github.com/gitsync/gitsync/report/forge"
	"github.com/gitsync/gitsync/report/notify"
	"github.com/gitsync/gitsync/sync"
)

// reportingOptions are the flags that say who is told what became of commits.
type reportingOptions struct {
	forge, forgeURL, forgeRepo, tokenFile string
	appID, appKeyFile                     string
	appInstallation                       int64
	deployments                           bool

	context, instance string
	perHost, allHosts bool
	reportURL         string

	notifyFile string
}

func (o *reportingOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.forge, "forge", "", "post commit statuses at this `KIND` of forge: github, gitlab, gitea or bitbucket (default: as the remote's address says)")
	f.StringVar(&o.forgeURL, "forge-url", "", "`URL` of the forge's API (default: as the remote's address says)")
	f.StringVar(&o.forgeRepo, "forge-repo", "", "`OWNER/NAME` of the repo at the forge (default: as the remote's address says)")
	f.StringVar(&o.tokenFile, "forge-token-file", "", "`FILE` with the token for commit statuses; or set $GITSYNC_FORGE_TOKEN. Without one there are none")
	f.StringVar(&o.appID, "forge-app-id", "", "sign in at GitHub as the App with this `ID`")
	f.StringVar(&o.appKeyFile, "forge-app-key-file", "", "`FILE` with the App's private key")
	f.Int64Var(&o.appInstallation, "forge-app-installation", 0, "`ID` of the App's installation (default: that of the repo)")
	f.BoolVar(&o.deployments, "forge-deployments", false, "keep deployment records at GitHub or GitLab too, one environment for each host")
	f.StringVar(&o.context, "status-context", "gitsync", "what the contexts of commit statuses begin with")
	f.StringVar(&o.instance, "status-instance", "", "`NAME` of this gitsync in contexts, where several handle one repo (default: none, or what --host says)")
	f.BoolVar(&o.perHost, "status-per-host", false, "one more commit status for each host")
	f.BoolVar(&o.allHosts, "status-all-hosts", false, "tell of the hosts too that other gitsyncs handle, by their records")
	f.StringVar(&o.reportURL, "report-url", "", "`URL` that commit statuses lead to (default: the log of the state branch at the forge)")
	f.StringVar(&o.notifyFile, "notify-url-file", "", "`FILE` with the addresses to notify, one a line, such as ntfy://ntfy.sh/topic; or set $GITSYNC_NOTIFY_URLS")
}

// flushTimeout bounds what is told in the end.
const flushTimeout = report.FlushTime + 5*time.Second

// reporting tells forges and people while gitsync runs; nil tells nobody.
type reporting struct {
	reporter *report.Reporter
	close    func()
}

// open returns what tells forges and people; nil when nobody is to be told. The data
// directory of the repo keeps what could not be told.
func (o *reportingOptions) open(s *settings) (*reporting, error) {
	client, err := o.openForge(s.repo)
	if err != nil {
		return nil, err
	}
	notifier, err := o.openNotifier()
	if err != nil || client == nil && notifier == nil {
		return nil, err
	}
	remote, err := s.openRemote()
	if err != nil {
		return nil, err
	}
	defer func() { _ = remote.Close() }()
	dir := s.repoDir(remote)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", disk.Explain(filepath.Dir(dir), 0, err))
	}
	options := report.Options{
		Statuses:    report.StatusOptions{Prefix: o.context, Instance: o.instanceOf(s), PerHost: o.perHost, TargetURL: o.reportURL},
		Deployments: o.deployments, Branch: s.branch, File: filepath.Join(dir, "outbox.json"),
	}
	closeAll := func() {}
	if client != nil {
		options.Forge, options.Target, closeAll = client, string(client.Kind())+" "+client.Repo(), client.Close
		if o.reportURL == "" && !strings.Contains(s.stateBranch, "{") {
			options.Statuses.TargetURL = client.Page(s.stateBranch, "")
		}
	}
	if notifier != nil {
		options.Notifier = notifier
	}
	return &reporting{report.New(options), closeAll}, nil
}

// instanceOf keeps two gitsyncs of one repo from sharing a context: one that handles some
// of the hosts has a name in it.
func (o *reportingOptions) instanceOf(s *settings) string {
	if o.instance != "" || o.allHosts {
		return o.instance
	}
	return strings.Join(s.hosts, "+")
}

// openForge returns the forge's client; nil when there is nothing to sign in with.
func (o *reportingOptions) openForge(repo string) (*forge.Client, error) {
	config := forge.Config{
		Kind: forge.Kind(o.forge), URL: o.forgeURL, Repo: o.forgeRepo, TokenFile: o.tokenFile,
		Token: forge.Secret(strings.TrimSpace(os.Getenv("GITSYNC_FORGE_TOKEN"))),
	}
	if config.TokenFile != "" {
		config.Token = ""
	}
	switch {
	case o.appID != "" && o.appKeyFile != "":
		config.App, config.Token, config.TokenFile = &forge.App{ID: o.appID, KeyFile: o.appKeyFile, Installation: o.appInstallation}, "", ""
	case o.appID != "" || o.appKeyFile != "":
		return nil, errors.New("give --forge-app-id and --forge-app-key-file together")
	case config.Token == "" && config.TokenFile == "":
		if o.forge != "" || o.forgeURL != "" || o.forgeRepo != "" || o.deployments {
			return nil, withHint(errors.New("commit statuses need a token"), "set --forge-token-file FILE or $GITSYNC_FORGE_TOKEN; docs/commit-status.md says what it must be allowed to do")
		}
		return nil, nil
	}
	config, err := config.For(repo)
	if err != nil {
		return nil, err
	}
	if o.deployments && config.Kind != forge.GitHub && config.Kind != forge.GitLab {
		return nil, fmt.Errorf("--forge-deployments: %s keeps no deployment records: leave it out", config.Kind)
	}
	return forge.New(config)
}

// openNotifier returns what sends notifications; nil when there are no addresses.
func (o *reportingOptions) openNotifier() (report.Notifier, error) {
	if o.notifyFile == "" {
		notifier, err := parseAddresses([]byte(os.Getenv("GITSYNC_NOTIFY_URLS")))
		if err != nil {
			return nil, unlessEmpty(err)
		}
		return notifier, nil
	}
	file, err := follow.Open(o.notifyFile, parseAddresses, follow.Options{})
	if err != nil {
		return nil, unlessEmpty(err)
	}
	return followedNotifier{file}, nil
}

// unlessEmpty is an error that is more than that nobody is to be notified.
func unlessEmpty(err error) error {
	if errors.Is(err, follow.ErrEmpty) {
		return nil
	}
	return fmt.Errorf("read the addresses to notify: %w", err)
}

// parseAddresses reads addresses, one a line; # begins a comment.
func parseAddresses(text []byte) (*notify.Notifier, error) {
	var urls []string
	for line := range strings.Lines(strings.TrimPrefix(string(text), "\ufeff")) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			urls = append(urls, strings.Fields(line)...)
		}
	}
	if len(urls) == 0 {
		return nil, fmt.Errorf("%w: it has no address", follow.ErrEmpty)
	}
	return notify.New(urls)
}

// followedNotifier sends to the addresses that a file holds by now.
type followedNotifier struct {
	file *follow.File[*notify.Notifier]
}

// Send implements report.Notifier.
func (f followedNotifier) Send(ctx context.Context, title, body string) error {
	return f.file.Current(ctx).Send(ctx, title, body)
}

// tells adds the reporter to what the syncer does.
func (r *reporting) tells(o *reportingOptions) func(*sync.Options) {
	return func(options *sync.Options) {
		if r != nil {
			options.Reporter, options.ReportAll = r.reporter, o.allHosts
		}
	}
}

// beside tells while the work goes on, and what is left for a while after it. What cannot
// be told is kept for the next time, and fails nothing.
func (r *reporting) beside(ctx context.Context, work func(context.Context) error) error {
	if r == nil {
		return work(ctx)
	}
	defer r.close()
	telling, stop := context.WithCancel(ctx)
	defer stop()
	var group errgroup.Group
	group.Go(func() error { return r.reporter.Run(telling) })
	err := work(ctx)
	stop()
	if runErr := group.Wait(); runErr != nil {
		zerolog.Ctx(ctx).Warn().Err(runErr).Msg("telling of commits ended early")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	if flushErr := r.reporter.Flush(ctx); flushErr != nil {
		zerolog.Ctx(ctx).Warn().Err(flushErr).Msg("not all could be told: the rest is kept for the next time")
	}
	return err
}
