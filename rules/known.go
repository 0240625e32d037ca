package rules

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/webgrip/logkeel/agent"
)

// Known reads from a state_dir what its agent last wrote of what the rules count:
// alerts that fire, and of what is only counted the rule and its key, in an alert
// without an ID.
func Known(dir string) ([]agent.Alert, error) {
	b, err := os.ReadFile(statePath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var s savedState
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("%s: %w", statePath(dir), err)
	}
	var all []agent.Alert
	for i := range s.Keys {
		k := &s.Keys[i]
		if k.Alert != nil {
			all = append(all, *k.Alert)
			continue
		}
		all = append(all, agent.Alert{Rule: agent.Rule{Name: k.Rule}, Key: k.Labels, Source: k.Source})
	}
	return append(all, s.Outbox...), nil
}
