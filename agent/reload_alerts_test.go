package agent

import (
	"context"
	"testing"
)

// A teller is an output that tells of alerts.
type teller struct{ outlet }

func (*teller) Notify(context.Context, []Alert) error            { return nil }
func (*teller) Reconcile(context.Context, map[string]bool) error { return nil }

// judging are rules that say whom they tell.
func (s *stage) judging(section string, unstored *error) RulesUnit {
	return RulesUnit{Section: section, Build: func(to []AlertOutput, before Alerter) (Matcher, Alerter, error) {
		names := ""
		for _, o := range to {
			names += " " + o.Name()
		}
		if before != nil {
			names += ", after others"
		}
		s.say("rules %s tell%s", section, names)
		return newWords("bad"), &judge{noAlerts{s.ledger.Consumer(RulesConsumer)}, s, section, unstored}, nil
	}}
}

type judge struct {
	noAlerts
	s        *stage
	section  string
	unstored *error
}

func (j *judge) Stored() error { return *j.unstored }

func (j *judge) Run(ctx context.Context, _ func() map[string]int64) error {
	<-ctx.Done()
	j.s.say("rules %s are stored", j.section)
	return nil
}

func (s *stage) teller(name, section string) OutputUnit {
	return OutputUnit{Name: name, Section: section, Build: func() (Output, error) {
		s.say("output %s %s opens", name, section)
		return &teller{outlet{s: s, name: name, section: section, consumer: s.ledger.Consumer(name), room: 1000}}, nil
	}}
}

// What makes alerts is replaced with the rules and with whom it tells: it is on
// the disk first, and while it cannot be, all stays as it is.
func TestReloadOfWhoIsTold(t *testing.T) {
	on(t, func(s *stage) {
		var unstored error
		s.parts.Rules = s.judging("1", &unstored)
		s.parts.Outputs = []OutputUnit{s.output("main", "1", nil)}
		s.run(func() {
			s.parts.Outputs = append(s.parts.Outputs, s.teller("mail", "1"))
			if err := s.reload(); err != nil {
				t.Error(err)
			}
			s.wants("a new one is told", s.heard(), "output mail 1 opens", "rules 1 are stored", "rules 1 tell mail, after others")

			s.parts.Outputs = []OutputUnit{s.output("main", "1", nil), s.teller("mail", "2")}
			if err := s.reload(); err != nil {
				t.Error(err)
			}
			s.wants("a changed one is told", s.heard(), "rules 1 are stored", "output mail 1 is drained", "output mail 1 closes",
				"output mail 2 opens", "rules 1 tell mail, after others")

			s.parts.Rules = s.judging("2", &unstored)
			if err := s.reload(); err != nil {
				t.Error(err)
			}
			s.wants("rules have changed", s.heard(), "rules 1 are stored", "rules 2 tell mail, after others")

			unstored = context.DeadlineExceeded
			s.parts.Rules = s.judging("3", &unstored)
			if err := s.reload(); err == nil {
				t.Error("no error")
			}
			s.wants("nothing can be written", s.heard(), "rules 2 are stored")
			unstored = nil
			if err := s.reload(); err != nil {
				t.Error(err)
			}
			s.wants("it can again", s.heard(), "rules 2 are stored", "rules 3 tell mail, after others")
		})
	})
}
