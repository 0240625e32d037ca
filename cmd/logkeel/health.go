package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/webgrip/logkeel/outputs/prometheus"
)

func healthCommand(config *string) *cobra.Command {
	return &cobra.Command{
		Use:   "health",
		Short: "Ask a running agent whether it is healthy",
		Long: `Health asks the agent that runs with the same configuration, at the address on
which it serves metrics. It is meant for a container's health check: exit code 0
says that the agent answers, 1 that it does not.

With web_config_file it asks by TLS, and trusts the certificate that is named
there, and no other. That a password or a client's certificate is wanted is an
answer.`,
		Example: `  logkeel health && echo it runs
  docker compose exec logkeel logkeel health
  HEALTHCHECK CMD ["logkeel", "health"]   # in a Dockerfile`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := load(*config)
			if err != nil {
				return err
			}
			if l.Outputs.Prometheus == nil {
				return usageError{errors.New("there is no outputs.prometheus to ask; add it")}
			}
			now, end := working(cmd, false)
			defer end()
			now("asking the agent at %s", l.Outputs.Prometheus.Listen)
			return healthy(cmd.Context(), l.Outputs.Prometheus)
		},
	}
}

func healthy(ctx context.Context, c *prometheus.Config) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	return c.Web().Alive(ctx, c.Web().Scheme()+"://"+reachable(c.Listen)+"/-/healthy")
}
