package redis

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/testenv"
)

func expecting(c Config, pairs ...string) Config {
	c.Expect = map[string]conf.Strings{}
	for i := 0; i < len(pairs); i += 2 {
		c.Expect[pairs[i]] = strings.Split(pairs[i+1], "|")
	}
	return c
}

const expectedOK = "logkeel_redis_setting_expected"

func wantSettings(t *testing.T, got map[string]float64, want map[string]float64) {
	t.Helper()
	n := 0
	for series := range got {
		if strings.HasPrefix(series, "logkeel_redis_setting_") {
			n++
		}
	}
	for series, v := range want {
		if have, ok := got[series]; !ok || have != v {
			t.Errorf("%s is %v (%v), want %v", series, have, ok, v)
		}
	}
	if n != len(want) {
		t.Errorf("%d series of settings, want %d", n, len(want))
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	srv := testenv.Redis(t, "--maxmemory", "256mb", "--maxmemory-policy", "noeviction")
	srv.CLI("CONFIG", "SET", "save", "900 1 300 10 60 10000")
	s := newSampler(t, expecting(Config{Name: "r", Address: srv.Addr},
		"maxmemory_policy", "allkeys-lru|volatile-lru", "maxmemory", "256MB", "save", "900 1  300 10  60 10000", "AppendOnly", "yes", "databases", "16|32"))
	got, err := take(t, s)
	if err != nil {
		t.Fatal(err)
	}
	wantSettings(t, got, map[string]float64{
		expectedOK + `{setting="maxmemory"}`: 1, expectedOK + `{setting="save"}`: 1, expectedOK + `{setting="databases"}`: 1,
		expectedOK + `{setting="maxmemory-policy"}`: 0, expectedOK + `{setting="appendonly"}`: 0,
		`logkeel_redis_setting_info{setting="maxmemory-policy",want="\"allkeys-lru\" or \"volatile-lru\"",have="noeviction"}`: 1,
		`logkeel_redis_setting_info{setting="appendonly",want="yes",have="no"}`:                                               1,
	})
	// As on the operations page; and what was right is no more.
	srv.CLI("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	srv.CLI("CONFIG", "SET", "save", "")
	if got, err = take(t, s); err != nil {
		t.Fatal(err)
	}
	if got[expectedOK+`{setting="maxmemory-policy"}`] != 1 || got[expectedOK+`{setting="save"}`] != 0 ||
		got[`logkeel_redis_setting_info{setting="save",want="900 1  300 10  60 10000",have=""}`] != 1 {
		t.Errorf("after CONFIG SET: %v", got)
	}
}

// An alert on it says what it is and what it should be.
func TestSettingNote(t *testing.T) {
	t.Parallel()
	srv := testenv.Redis(t)
	s := newSampler(t, expecting(Config{Name: "r", Address: srv.Addr}, "maxmemory-policy", "allkeys-lru|volatile-lru"))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	note := ""
	if err := s.Sample(ctx, func(s agent.Sample) { note += s.Note }); err != nil {
		t.Fatal(err)
	}
	if want := `maxmemory-policy is "noeviction", and should be "allkeys-lru" or "volatile-lru"`; note != want {
		t.Errorf("the note is %s, want %s", note, want)
	}
}

func TestSettingTheServerDoesNotKnow(t *testing.T) {
	t.Parallel()
	srv := testenv.Redis(t)
	got, err := take(t, newSampler(t, expecting(Config{Name: "r", Address: srv.Addr}, "maxmemory-polcy", "allkeys-lru", "databases", "16")))
	testenv.WantError(t, err, "the server has no setting maxmemory-polcy; look for its name with CONFIG GET '*'")
	wantSettings(t, got, map[string]float64{expectedOK + `{setting="databases"}`: 1})
	if got["redis_up"] != 1 {
		t.Error("redis is not up")
	}
}

// Where CONFIG is not to be had, what INFO says is compared all the same.
func TestSettingsWithoutConfig(t *testing.T) {
	t.Parallel()
	srv := testenv.Redis(t)
	srv.CLI("ACL", "SETUSER", "noconfig", "on", ">"+password, "-@all", "+info", "+ping", "+slowlog|len")
	renamed := testenv.Redis(t, "--rename-command", "CONFIG", "")
	inInfo := []string{"maxmemory-policy", "allkeys-lru", "maxmemory", "0", "appendonly", "no"}
	want := map[string]float64{
		expectedOK + `{setting="maxmemory"}`: 1, expectedOK + `{setting="appendonly"}`: 1,
		expectedOK + `{setting="maxmemory-policy"}`:                                                   0,
		`logkeel_redis_setting_info{setting="maxmemory-policy",want="allkeys-lru",have="noeviction"}`: 1,
	}
	if srv.Since(6, 2) {
		inInfo = append(inInfo, "maxclients", "10000")
		want[expectedOK+`{setting="maxclients"}`] = 1
	}
	for _, c := range []struct {
		config Config
		say    []string
	}{
		{user(srv.Addr, "noconfig"), []string{"not compared with what is expected: hz, save: user noconfig may not use config|get; as an administrator: ACL SETUSER noconfig +config|get"}},
		{Config{Name: "r", Address: renamed.Addr}, []string{"not compared with what is expected: hz, save: the server has no CONFIG"}},
	} {
		got, err := take(t, newSampler(t, expecting(c.config, inInfo...)))
		if err != nil {
			t.Errorf("INFO has them all, and yet: %v", err)
		}
		wantSettings(t, got, want)
		got, err = take(t, newSampler(t, expecting(c.config, append(inInfo, "hz", "10", "save", "")...)))
		testenv.WantError(t, err, c.say...)
		wantSettings(t, got, want)
		c.config.Settings = true
		got, err = take(t, newSampler(t, c.config))
		if err == nil || !strings.Contains(strings.ToLower(err.Error()), "config") || strings.Contains(err.Error(), "not compared") || got["redis_up"] != 1 {
			t.Errorf("nothing is expected, and yet: %v", err)
		}
	}
}
