package main

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

func healthCommand(config *string) *cobra.Command {
	return &cobra.Command{
		Use:   "health",
		Short: "Ask a running agent whether it is healthy",
		Long: `Health asks the agent that runs with the same configuration, at the address on
which it serves metrics. It is meant for a container's health check: exit code 0
says that the agent answers, 1 that it does not.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := load(*config)
			if err != nil {
				return err
			}
			if l.Outputs.Prometheus == nil {
				return usageError{errors.New("there is no outputs.prometheus to ask; add it")}
			}
			return healthy(cmd, l.Outputs.Prometheus.Listen)
		},
	}
}

func healthy(cmd *cobra.Command, listen string) error {
	res, err := ask(cmd.Context(), listen, "/-/healthy", 3*time.Second)
	if err != nil {
		return fmt.Errorf("the agent does not answer: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the agent answers %s", res.Status)
	}
	return nil
}
