package forward

import (
	"context"

	"github.com/webgrip/logkeel/agent"
)

// Diagnose says whether clients can send there, and who may.
func Diagnose(ctx context.Context, c Config, running bool, report func(agent.Diagnosis)) {
	report(agent.DiagnoseListen(ctx, c.Listen, running))
	if c.Open() {
		report(agent.Diagnosis{
			Health: agent.Warned, Cause: "forward_open", What: "anybody who reaches " + c.Listen + " can send", Why: "there is neither a shared key nor a certificate that clients need",
			Do: "set shared_key, or tls with ca_file, or listen on 127.0.0.1",
		})
	}
}
