package main

import (
	_ "embed"
	"fmt"

	"github.com/spf13/cobra"
)

// Both are written by TestSchemas from the types; go test ./cmd/logkeel -run TestSchemas -update.
var (
	//go:embed schema/agent.schema.json
	agentSchema []byte
	//go:embed schema/rules.schema.json
	rulesSchema []byte
)

func schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema [agent|rules]",
		Short: "Print the JSON Schema of agent.yaml, or of rule files, for editors",
		Long: `Schema prints what may stand in agent.yaml, or in a file of rules, as JSON Schema
(draft-07): every key of this version with its type, default and meaning. Editors
complete and check files by it. check has the last word, for it knows more.`,
		Example: `  logkeel schema > agent.schema.json        # and in agent.yaml, as its first line:
  # yaml-language-server: $schema=agent.schema.json
  logkeel schema rules > rules.schema.json`,
		ValidArgs: []string{"agent", "rules"},
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{fmt.Errorf("it takes one of agent and rules; see %s --help", c.CommandPath())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			schema := agentSchema
			switch {
			case len(args) == 0 || args[0] == "agent":
			case args[0] == "rules":
				schema = rulesSchema
			default:
				return usageError{fmt.Errorf("there is no schema %q; write agent or rules", args[0])}
			}
			_, err := cmd.OutOrStdout().Write(schema)
			return err
		},
	}
}
