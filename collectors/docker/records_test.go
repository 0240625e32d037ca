package docker

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/webgrip/logkeel/agent"
)

func TestRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.runs("1", "web", time.Now())
		d := f.containers[id("1")]
		d.state.status = "running"
		d.audit = audit{
			image: "sha256:a", ref: "box:1", user: "root", networkMode: "bridge", networks: []string{"back", "web"},
			restart: "always", privileged: true, readOnly: true, log: logSettings{driver: jsonFile}, limits: limits{memory: 1 << 20},
		}
		f.containers[id("1")] = d
		f.images = map[string]image{"sha256:a": {"sha256:a", time.Now()}, "box:1": {"sha256:b", time.Now()}}
		f.usage = func(context.Context, string) (usage, error) {
			return usage{
				cpu: second(2), system: second(10), cpus: 1, memory: 100,
				parts:    memoryParts{faults: optional{3, true}, majorFaults: optional{4, true}},
				networks: []traffic{{name: "eth0", received: direction{bytes: 1}}, {name: "eth1", received: direction{bytes: 2}}},
			}, nil
		}
		s := NewStats(newCollector(t, Config{}, f), StatsConfig{Images: true})
		defer s.Close()
		records := func() (all []map[string]any) {
			s.Records(func(fields []agent.Field) {
				r := map[string]any{}
				for _, f := range fields {
					if _, twice := r[f.Name]; twice {
						t.Errorf("%s is there twice", f.Name)
					}
					r[f.Name] = f.Value
				}
				all = append(all, r)
			})
			return all
		}
		if _, err := sample(t, t.Context(), s); err != nil {
			t.Fatal(err)
		}
		all := records()
		if len(all) != 1 {
			t.Fatalf("%d records", len(all))
		}
		for name, want := range map[string]any{
			"name": "web", "image": "box:1", "project": "shop", "service": "web", "id": id("1"),
			"user": "root", "network_mode": "bridge", "networks": "back,web", "ports": "", "restart_policy": "always", "log_driver": "json-file",
			"logkeel_container_risks": "root,privileged", "logkeel_container_state": "running", "logkeel_container_health": "none",
			"image_id": "sha256:a", "logkeel_container_image_outdated": 1.0, "logkeel_container_log_unbounded": 1.0,
			"container_cpu_usage_seconds_total": 2.0, "container_memory_usage_bytes": 100.0, "container_network_receive_bytes_total": 3.0,
			"container_memory_failures_total_pgfault": 3.0, "container_memory_failures_total_pgmajfault": 4.0,
			"logkeel_container_crashes_total": 0.0, "container_spec_memory_limit_bytes": float64(1 << 20),
		} {
			if got := all[0][name]; got != want {
				t.Errorf("%s is %v, want %v", name, got, want)
			}
		}
		f.down = errors.New("connection refused")
		sample(t, t.Context(), s)
		if all := records(); len(all) != 0 {
			t.Errorf("without the engine: %v", all)
		}
	})
}
