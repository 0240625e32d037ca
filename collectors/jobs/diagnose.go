package jobs

import (
	"context"
	"os"
	"os/exec"

	"github.com/webgrip/logkeel/agent"
)

// Diagnose says whether jobs can tell of themselves, and whether what the agent runs
// itself is there. running says that an agent with this configuration runs.
func Diagnose(ctx context.Context, c Config, running bool, report func(agent.Diagnosis)) {
	report(agent.DiagnoseListen(ctx, c.Listen, running))
	if c.Open() {
		report(agent.Diagnosis{
			Health: agent.Warned, Cause: "jobs_open", What: "anybody who reaches " + c.Listen + " can tell that jobs have run", Why: "there is no token",
			Do: "set token, or listen on 127.0.0.1",
		})
	}
	for i := range c.Jobs {
		j := &c.Jobs[i]
		if len(j.Command) == 0 {
			continue
		}
		_, err := exec.LookPath(j.Command[0])
		if err == nil && j.Dir != "" {
			_, err = os.Stat(j.Dir)
		}
		if err != nil {
			report(agent.Diagnosis{
				Health: agent.Failed, Cause: "job_command", What: "job " + j.Name + " cannot be run", Why: err.Error(),
				Do: "write the command's whole path, and let this user execute it; in a container it has to be there as well",
			})
		}
	}
}
