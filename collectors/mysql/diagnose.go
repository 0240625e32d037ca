package mysql

import (
	"context"
	"regexp"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
)

// answered finds the number that explain has put into an error's text.
var answered = regexp.MustCompile(`the server answers (\d+):`)

// Diagnose takes one snapshot, without the audits: these may take minutes, and a
// check of tables writes.
func (c Config) Diagnose(ctx context.Context, report func(agent.Diagnosis)) {
	audits := c.Tables != nil || c.TableCheck != nil
	c.Tables, c.TableCheck = nil, nil
	s, err := New(c)
	if err != nil {
		report(agent.Explained(agent.Failed, "configuration", "it cannot be made", err))
		return
	}
	defer s.Close()
	agent.DiagnoseSampler(ctx, s, causeOf, report)
	if audits {
		report(agent.Diagnosis{
			Health: agent.Known, Cause: "not_tried", What: "audits of tables were not tried",
			Why: "they may take minutes; what they lack is an error of the running agent", Do: "logkeel status",
		})
	}
}

// causeOf is one word for an error of a snapshot.
func causeOf(err error) string {
	m := answered.FindStringSubmatch(err.Error())
	if m == nil {
		if performanceSchemaOff.MatchString(err.Error()) {
			return "mysql_performance_schema"
		}
		return ""
	}
	switch m[1] {
	case "1045", "1130", "1524", "1820", "1862", "3118", "3159", "3955", "4151":
		return "mysql_login"
	case "1044", "1142", "1143", "1227":
		return "mysql_grant"
	case "1040", "1226":
		return "mysql_connections"
	}
	return ""
}

var performanceSchemaOff = conf.NewForm(`^performance_schema is off`)
