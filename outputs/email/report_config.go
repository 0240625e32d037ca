package email

import (
	"strings"

	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/report"
)

// ReportConfig is the section report: one mail a week, or day or month, of all
// that was measured in it.
type ReportConfig struct {
	Every string `yaml:"every" enum:"week day month"` // how often a report is mailed
	On    string `yaml:"on"`                          // weekday of a weekly report, as monday, or day of a monthly one, 1 to 28; empty: monday, or 1
	At    string `yaml:"at"`                          // time of day at which it is mailed, as "08:00", in the agent's local time
}

// SetDefaults fills in what a configuration may leave out.
func (c *ReportConfig) SetDefaults() { *c = ReportConfig{Every: "week", At: "08:00"} }

// Check says what is wrong with the section at path; nil is none.
func (c *ReportConfig) Check(d *conf.Doc, path string) error {
	if c == nil {
		return nil
	}
	_, err := c.schedule()
	if err == nil {
		return nil
	}
	key, says, _ := strings.Cut(err.Error(), ": ")
	hint := map[string]string{
		"every": "write week, day or month",
		"on":    "write a weekday, as monday; with every: month a day from 1 to 28; with every: day leave it out",
		"at":    `write it as "08:00"`,
	}[key]
	return d.Errorf(path+"."+key, hint, "%s", says)
}

func (c *ReportConfig) schedule() (report.Schedule, error) {
	return report.ParseSchedule(c.Every, c.On, c.At)
}

// String is when reports are mailed; of a section that has passed Check.
func (c *ReportConfig) String() string {
	s, err := c.schedule()
	if err != nil {
		return err.Error()
	}
	return s.String()
}
