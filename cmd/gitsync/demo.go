package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/gitsync/gitsync/internal/demo"
)

func newDemoCommand() *cobra.Command {
	var keep bool
	var runtime string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Take a tour on this machine",
		Long: `demo makes a Git repo from the example, deploys it to this machine's Docker, changes
it by a commit, breaks a container by hand and lets gitsync repair it, or tells it to
leave that alone, shows the history, and removes all of it again. It needs no network.
Without Docker it uses the memory runtime, and says so.

EXIT STATUS
  0  all went as told
  1  something did not`,
		Example: `  gitsync demo
  gitsync demo --keep             # and look around afterwards
  gitsync demo --runtime memory   # without Docker`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo.Run(cmd.Context(), demo.Options{
				Out: os.Stdout, Color: newTerminal(os.Stdout).color, Keep: keep, Memory: runtime == runtimeMemory,
			})
		},
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "leave containers, images and files behind")
	cmd.Flags().StringVar(&runtime, "runtime", "", "memory: do without Docker")
	return cmd
}

// newDemoServeCommand is what the demo's containers run.
func newDemoServeCommand() *cobra.Command {
	return &cobra.Command{
		Use:                "demo-serve",
		Hidden:             true,
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			return demo.Serve(cmd.Context(), args)
		},
	}
}
