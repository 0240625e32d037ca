package main

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent/testenv"
)

// Incidents begin, the agent is killed and started again, and they end, and more
// begin and end within it: who is behind Alertmanager hears of each that it
// fires and that it is over.
func TestKilledBeforeAlertmanagerKnows(t *testing.T) {
	t.Parallel()
	am := testenv.Alertmanager(t)
	a := newAgent(t, fmt.Sprintf(`
collectors:
  files: [{name: app, paths: "*.log"}]
rules: {files: [rules.yaml]}
outputs:
  prometheus: {listen: METRICS}
  alertmanager: [{name: am, urls: ["%s"], resend_interval: 3s, labels: {team: shop}}]
`, am.URL))
	a.write("rules.yaml", killedMailRules)
	happens := &incidents{t: t, path: filepath.Join(filepath.Dir(a.config), "app.log")}
	for range 5 {
		happens.write()
	}
	a.start()
	said := func(status string) (ids []string) {
		all := map[string]bool{}
		for _, n := range am.Hook.Notices() {
			for _, one := range n.Alerts {
				if string(one.Status) == status && one.Labels["alertname"] == "Incident" && one.Labels["team"] == "shop" {
					all[one.Labels["id"]] = true
				}
			}
		}
		return slices.Sorted(maps.Keys(all))
	}
	eventually(t, "they fire", waitLong, func() bool { return len(said("firing")) == 5 })
	a.kill()
	happens.write()
	a.start()
	eventually(t, "what came while it was dead fires", waitLong, func() bool { return len(said("firing")) == 6 })
	happens.write()
	// The first ones may be over by now, and are kept no longer then.
	eventually(t, "it knows of the seventh", waitLong, func() bool { return int(a.metric("logkeel_alertmanager_alerts"))+len(said("resolved")) >= 7 })
	a.kill()
	a.start()
	want := "1 2 3 4 5 6 7"
	eventually(t, "all are over", waitLong, func() bool { return strings.Join(said("resolved"), " ") == want })
	if got := strings.Join(said("firing"), " "); got != want {
		t.Errorf("fired: %s, want %s", got, want)
	}
	eventually(t, "nothing is kept", waitLong, func() bool { return a.metric("logkeel_alertmanager_alerts") == 0 })
	if v := a.metric("logkeel_alertmanager_refused_total"); v != 0 {
		t.Errorf("%v refused", v)
	}
	a.stop()
}
