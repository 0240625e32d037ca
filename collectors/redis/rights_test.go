package redis

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent/testenv"
)

// all asks for everything that the sampler can tell.
func all(c Config) Config {
	c = expecting(withQueues(c, "queues:default", "queues:default:delayed", "queues:events", "queues:*"), "hz", "10", "save", "")
	c.DB, c.Settings, c.Slowlog = 2, true, Slowlog{Entries: true, Arguments: true}
	return c
}

// rights are those in docs/samplers.md, for all parts together.
var rights = []string{"+info", "+ping", "+slowlog|len", "+slowlog|get", "+config|get", "+select", "+type", "+llen", "+zcard", "+zcount", "+xlen", "+scan", "~queues:*"}

func TestRightsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/samplers.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ = bytes.Cut(text, []byte("## collectors.redis"))
	_, text, _ = bytes.Cut(text, []byte("### Rights"))
	text, _, _ = bytes.Cut(text, []byte("###"))
	doc := strings.ReplaceAll(string(text), `\|`, "|")
	for _, r := range rights {
		if want := strings.TrimPrefix(r, "~"); !strings.Contains(doc, want) {
			t.Errorf("docs/samplers.md does not name %s", r)
		}
	}
}

// noRights makes a user that has none. Redis 6.0 has no rights to channels.
func noRights(srv *testenv.RedisServer, name string) []string {
	args := []string{"ACL", "SETUSER", name, "on", ">" + password, "resetkeys", "-@all"}
	if srv.Since(6, 2) {
		args = append(args, "resetchannels")
	}
	return args
}

func setUser(srv *testenv.RedisServer, name string, without string) {
	args := noRights(srv, name)
	for _, r := range rights {
		if r != without {
			args = append(args, r)
		}
	}
	srv.CLI(args...)
}

// The rights in docs/samplers.md suffice for all there is, and nothing is refused.
func TestLeastPrivilegeForAll(t *testing.T) {
	t.Parallel()
	srv := testenv.Redis(t)
	laravel(srv, "", "-n", "2")
	setUser(srv, "logkeel", "")
	s := newSampler(t, all(user(srv.Addr, "logkeel")))
	for range 2 {
		got, err := take(t, s)
		if err != nil || got["redis_up"] != 1 {
			t.Errorf("up %v, %v", got["redis_up"], err)
		}
		for _, want := range []string{
			`logkeel_redis_queue_length{queue="queues:default:reserved"}`, `logkeel_redis_queue_overdue{queue="queues:default:delayed"}`,
			`logkeel_redis_queue_length{queue="queues:events"}`, "redis_config_maxclients", `logkeel_redis_setting_expected{setting="save"}`, "logkeel_redis_slowlog_missed_total",
		} {
			if _, ok := got[want]; !ok {
				t.Errorf("no %s", want)
			}
		}
		srv.CLI("CONFIG", "SET", "slowlog-log-slower-than", "0")
	}
	// With Redis 7 reading is enough.
	if srv.Since(7, 0) {
		srv.CLI("ACL", "SETUSER", "logkeel", "resetkeys", "%R~queues:*")
	}
	if _, err := take(t, newSampler(t, all(user(srv.Addr, "logkeel")))); err != nil {
		t.Error(err)
	}
	if log := srv.CLI("ACL", "LOG"); log != "" {
		t.Errorf("something was refused: %s", log)
	}
}

// Of each right that is missing, the error says which, and its part only is.
func TestEachMissingRight(t *testing.T) {
	t.Parallel()
	srv := testenv.Redis(t)
	laravel(srv, "", "-n", "2")
	const (
		slow     = "redis_slowlog_length"
		newest   = "logkeel_redis_slowlog_missed_total"
		setting  = `logkeel_redis_setting_expected{setting="hz"}`
		list     = `logkeel_redis_queue_length{queue="queues:default"}`
		delayed  = `logkeel_redis_queue_length{queue="queues:default:delayed"}`
		overdue  = `logkeel_redis_queue_overdue{queue="queues:default:delayed"}`
		stream   = `logkeel_redis_queue_length{queue="queues:events"}`
		reserved = `logkeel_redis_queue_length{queue="queues:default:reserved"}` // which only the pattern finds
	)
	parts := []string{slow, newest, setting, list, delayed, overdue, stream, reserved}
	queues := []string{list, delayed, overdue, stream, reserved}
	for without, missing := range map[string][]string{
		"+slowlog|len": {slow}, "+slowlog|get": {newest}, "+config|get": {setting}, "+select": queues, "+type": queues, "~queues:*": queues,
		"+llen": {list}, "+zcard": {delayed, overdue, reserved}, "+xlen": {stream}, "+zcount": {overdue}, "+scan": {reserved},
	} {
		name := "no" + strings.Trim(strings.ReplaceAll(without, "|", ""), "+~:*")
		setUser(srv, name, without)
		s := newSampler(t, all(user(srv.Addr, name)))
		for range 2 {
			got, err := take(t, s)
			say := "user " + name + " may not use " + without[1:] + "; as an administrator: ACL SETUSER " + name + " " + without
			if without[0] == '~' {
				say = "user " + name + " may not read a key with type; as an administrator: ACL SETUSER " + name + " ~KEYS"
			}
			testenv.WantError(t, err, say)
			if err != nil && strings.Count(err.Error(), "\n") > 0 {
				t.Errorf("%s: more is said than needed: %v", without, err)
			}
			for _, p := range parts {
				_, ok := got[p]
				if want := !strings.Contains(strings.Join(missing, " "), p); ok != want {
					t.Errorf("without %s: %s is there: %v, want %v", without, p, ok, want)
				}
			}
		}
	}
}
