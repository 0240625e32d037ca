package redis

import "testing"

func TestSameSetting(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, want, have string
		same             bool
	}{
		{"maxmemory-policy", "allkeys-lru", "allkeys-lru", true},
		{"maxmemory-policy", "Allkeys-LRU", "allkeys-lru", true},
		{"maxmemory-policy", "allkeys-lru", "noeviction", false},
		{"maxmemory", "256mb", "268435456", true},
		{"maxmemory", "256MB", "268435456", true},
		{"maxmemory", "256MiB", "268435456", true},
		{"maxmemory", "256m", "256000000", true},
		{"maxmemory", "1gb", "1073741824", true},
		{"maxmemory", "256mb", "268435457", false},
		{"maxmemory", "0", "", false},
		{"maxmemory", "9999999999gb", "1", false},
		{"maxmemory-clients", "5%", "5%", true},
		{"save", "900 1 300 10 60 10000", "900 1 300 10 60 10000", true},
		{"save", "  900  1\t300 10 ", "900 1 300 10", true},
		{"save", "300 10 900 1", "900 1 300 10", true},
		{"save", "900 1 300 10", "900 300 1 10", false},
		{"save", "900 1", "900 1 300 10", false},
		{"save", "", "", true},
		{"save", `""`, "", true},
		{"save", "", "900 1", false},
		{"appendonly", "true", "yes", true},
		{"appendonly", "off", "no", true},
		{"appendonly", "yes", "no", false},
		{"list-max-listpack-size", "-2", "-2", true},
		{"notify-keyspace-events", "KEA", "AKE", true},
		{"notify-keyspace-events", "kea", "AKE", false},
		{"dbfilename", "Dump.rdb", "dump.rdb", false},
		{"dir", "/data", "/data", true},
		{
			"client-output-buffer-limit", "pubsub 32mb 8mb 60",
			"normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60", true,
		},
		{
			"client-output-buffer-limit", "pubsub 32mb 8mb 60 replica 256mb 64mb 60",
			"normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60", true,
		},
		{
			"client-output-buffer-limit", "pubsub 32mb 8mb 61",
			"normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60", false,
		},
		{"client-output-buffer-limit", "nothing 1 1 1", "normal 0 0 0", false},
	} {
		if got := sameSetting(c.name, c.want, c.have); got != c.same {
			t.Errorf("%s: %q and %q: %v", c.name, c.want, c.have, got)
		}
	}
}

func FuzzSameSetting(f *testing.F) {
	f.Add("save", "900 1 300 10")
	f.Add("client-output-buffer-limit", "pubsub 32mb 8mb 60")
	f.Add("maxmemory", "-1gb")
	f.Fuzz(func(t *testing.T, name, value string) {
		if !sameSetting(name, value, value) {
			t.Errorf("%q: %q is not itself", name, value)
		}
	})
}
