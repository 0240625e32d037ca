package docker

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/webgrip/logkeel/agent"
)

// manyAPI is the API of an engine with maxMeasured containers and some more, whose
// answers are as long as those of a real one. asked counts requests by kind.
type manyAPI struct {
	mu    sync.Mutex
	asked map[string]int
	list  string
}

func newManyAPI() *manyAPI {
	m := &manyAPI{asked: map[string]int{}}
	var list []string
	for i := range maxMeasured + 20 {
		list = append(list, fmt.Sprintf(`{"Id":"%064x","Names":["/shop-app-%d"],"State":"running","HostConfig":{"NetworkMode":"shop_default"}}`, i, i))
	}
	m.list = "[" + strings.Join(list, ",") + "]"
	return m
}

func (m *manyAPI) count(kind string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked[kind]++
}

func (m *manyAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Api-Version", "1.41")
	w.Header().Set("Content-Type", "application/json")
	part := strings.Split(strings.Trim(r.URL.Path, "/"), "/") // v1.41/containers/ID/json
	switch {
	case strings.HasSuffix(r.URL.Path, "/_ping"):
		m.count("ping")
	case strings.HasSuffix(r.URL.Path, "/containers/json"):
		m.count("list")
		fmt.Fprint(w, m.list)
	case part[1] == "images":
		m.count("image")
		fmt.Fprintf(w, `{"Id":"sha256:%064x","Created":"2025-01-09T14:30:00Z","Config":{"Env":[%s]}}`, 1, padding(20))
	case part[3] == "stats":
		m.count("stats")
		fmt.Fprint(w, statsAnswer)
	default:
		m.count("inspect")
		var i int
		fmt.Sscanf(part[2], "%x", &i)
		fmt.Fprintf(w, `{"Id":%q,"Created":"2025-01-09T14:30:00Z","Name":"/shop-app-%d","Image":"sha256:%064x","RestartCount":0,
			"State":{"Status":"running","Running":true,"StartedAt":"2025-01-09T14:30:00.123456789Z","FinishedAt":"0001-01-01T00:00:00Z","Health":{"Status":"healthy","Log":[{"Output":%q}]}},
			"Config":{"Image":"shop/app:1.2","User":"www-data","Env":[%s],"Labels":{"com.docker.compose.project":"shop","com.docker.compose.service":"app","com.docker.compose.container-number":"%d"}},
			"HostConfig":{"NetworkMode":"shop_default","Memory":536870912,"NanoCpus":500000000,"LogConfig":{"Type":"json-file","Config":{"max-size":"10m","max-file":"3"}},"MaskedPaths":[%s]},
			"Mounts":[{"Type":"volume","Source":"/var/lib/docker/volumes/shop/_data","RW":true}],"NetworkSettings":{"Networks":{"shop_default":{"MacAddress":"02:42:ac:11:00:02"}}}}`,
			part[2], i, 1, strings.Repeat("ok ", 300), padding(40), i, padding(10))
	}
}

// padding is n texts, as an environment has them.
func padding(n int) string {
	return strings.TrimSuffix(strings.Repeat(`"SOME_VARIABLE=some value of it",`, n), ",")
}

var statsAnswer = `{"pids_stats":{"current":12,"limit":4096},"blkio_stats":{"io_service_bytes_recursive":[{"major":8,"op":"read","value":7},{"major":8,"op":"write","value":8}]},
	"cpu_stats":{"cpu_usage":{"total_usage":123456789,"usage_in_kernelmode":3456789,"usage_in_usermode":120000000},"system_cpu_usage":987654321000,"online_cpus":8,"throttling_data":{"periods":10,"throttled_periods":1,"throttled_time":1000}},
	"memory_stats":{"usage":104857600,"limit":536870912,"stats":{` + strings.Repeat(`"some_statistic_of_the_kernel":123456789,`, 40) + `"anon":52428800,"file":41943040,"file_mapped":1048576,"inactive_file":20971520,"pgfault":12345,"pgmajfault":12}},
	"networks":{"eth0":{"rx_bytes":1,"rx_packets":2,"rx_errors":3,"rx_dropped":4,"tx_bytes":5,"tx_packets":6,"tx_errors":7,"tx_dropped":8}}}`

// newMany returns a sampler of that engine.
func newMany(t testing.TB) (*Stats, *manyAPI) {
	t.Helper()
	m := newManyAPI()
	srv := httptest.NewServer(m)
	t.Cleanup(srv.Close)
	c, err := New(Config{Root: t.TempDir(), Host: "tcp://" + srv.Listener.Addr().String()}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	s := NewStats(c, StatsConfig{Images: true})
	t.Cleanup(func() { s.Close() })
	return s, m
}

// TestCostOfManyContainers: two requests a container, one more for all of them, and
// none for what is known; and a bounded number of series.
func TestCostOfManyContainers(t *testing.T) {
	s, m := newMany(t)
	for range 2 {
		m.asked = map[string]int{}
		got, err := sample(t, t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) < 60*maxMeasured || len(got) > 80*maxMeasured {
			t.Errorf("%d series", len(got))
		}
		got.want(t, "many", snapshot{
			"logkeel_container_stats_omitted{}":              20,
			"container_memory_rss{shop-app-7}":               52428800,
			"container_memory_cache{shop-app-7}":             41943040,
			"container_memory_mapped_file{shop-app-7}":       1048576,
			"container_memory_working_set_bytes{shop-app-7}": 104857600 - 20971520,
			"container_cpu_user_seconds_total{shop-app-7}":   0.12, "container_cpu_system_seconds_total{shop-app-7}": 0.003456789,
			"container_cpu_cfs_periods_total{shop-app-7}": 10, "container_cpu_cfs_throttled_periods_total{shop-app-7}": 1, "container_cpu_cfs_throttled_seconds_total{shop-app-7}": 1e-6,
			"container_network_receive_packets_total{shop-app-7,eth0}": 2, "container_network_receive_errors_total{shop-app-7,eth0}": 3, "container_network_receive_packets_dropped_total{shop-app-7,eth0}": 4,
			"container_network_transmit_packets_total{shop-app-7,eth0}": 6, "container_network_transmit_errors_total{shop-app-7,eth0}": 7, "container_network_transmit_packets_dropped_total{shop-app-7,eth0}": 8,
			"container_memory_failures_total{shop-app-7,pgmajfault,hierarchy}": 12,
		})
		got.none(t, "control groups v2", "container_memory_swap{shop-app-7}", "container_memory_max_usage_bytes{shop-app-7}", "container_fs_reads_total{shop-app-7}")
	}
	if m.asked["list"] != 1 || m.asked["inspect"] != maxMeasured || m.asked["stats"] != maxMeasured || m.asked["image"] != 0 {
		t.Errorf("the second snapshot asked for %v", m.asked)
	}
}

// BenchmarkSnapshot takes snapshots of 300 containers; the time is that of both
// sides, the test's engine included.
func BenchmarkSnapshot(b *testing.B) {
	s, _ := newMany(b)
	b.ReportAllocs()
	for b.Loop() {
		series := 0
		if err := s.Sample(b.Context(), func(agent.Sample) { series++ }); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(series), "series")
	}
}
