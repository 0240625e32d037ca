package redis

import (
	"context"
	"strings"

	"github.com/webgrip/logkeel/agent"
)

// Diagnose takes one snapshot.
func (c Config) Diagnose(ctx context.Context, report func(agent.Diagnosis)) {
	s, err := New(c)
	if err != nil {
		report(agent.Explained(agent.Failed, "configuration", "it cannot be made", err))
		return
	}
	defer s.Close()
	agent.DiagnoseSampler(ctx, s, causeOf, report)
}

// causeOf is one word for an error of a snapshot, by what explain says.
func causeOf(err error) string {
	text := err.Error()
	switch {
	case strings.Contains(text, "ACL SETUSER"):
		return "redis_acl"
	case strings.Contains(text, "wants a password"), strings.Contains(text, "refuses username or password"):
		return "redis_login"
	}
	return ""
}
