package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/testenv"
)

func databaseConfig(addr, password string) string {
	return fmt.Sprintf("collectors:\n  mysql: [{name: db, address: %q, user: agent, password: %q}]\noutputs:\n  prometheus: {listen: METRICS}\n", addr, password)
}

// A database whose statements nobody can see, that refuses a right, that refuses the
// password, and one that is put right as the diagnosis says.
func TestDoctorOfADatabase(t *testing.T) {
	t.Parallel()
	db := testenv.MariaDB(t)
	db.SQL(`CREATE USER agent@'127.0.0.1' IDENTIFIED BY 'hunter2'; GRANT PROCESS ON *.* TO agent@'127.0.0.1'`)

	d := doctorOf(t, databaseConfig(db.Addr, "hunter2"), nil)
	d.ends(3)
	d.has("mysql/db", "mysql_performance_schema", "performance_schema is off", "performance_schema=ON under [mysqld]", "log_output=TABLE")

	d = doctorOf(t, databaseConfig(db.Addr, "hunter3"), nil)
	d.ends(1)
	d.has("mysql/db", "mysql_login", "1045", "Access denied", "compare user and password")
	if strings.Contains(d.text, "hunter") {
		t.Errorf("a password is printed:\n%s", d.text)
	}

	on := testenv.MariaDB(t, "--performance-schema=ON")
	on.SQL(`CREATE USER agent@'127.0.0.1' IDENTIFIED BY 'hunter2'; GRANT PROCESS ON *.* TO agent@'127.0.0.1'`)
	d = doctorOf(t, databaseConfig(on.Addr, "hunter2"), nil)
	d.ends(3)
	const right = "GRANT SELECT ON performance_schema.events_statements_summary_by_digest TO"
	d.has("mysql/db", "mysql_grant", "1142", "as an administrator: "+right)
	on.SQL(right + ` agent@'127.0.0.1'`)
	d = doctorOf(t, databaseConfig(on.Addr, "hunter2"), nil)
	d.has("mysql/db", "", "it answers")
	d.only("mysql/db")

	db.Stop()
	d = doctorOf(t, databaseConfig(db.Addr, "hunter2"), nil, "mysql/db")
	d.ends(1)
	d.has("mysql/db", "down", "connection refused")
}

func TestDoctorOfRedis(t *testing.T) {
	t.Parallel()
	cache := testenv.Redis(t)
	cache.CLI("ACL", "SETUSER", "agent", "on", ">hunter2", "-@all", "+info", "+ping")
	config := func(password string) string {
		return fmt.Sprintf("collectors:\n  redis: [{name: cache, address: %q, username: agent, password: %s}]\n", cache.Addr, password)
	}
	d := doctorOf(t, config("hunter2"), nil, "redis")
	d.ends(3)
	d.has("redis/cache", "redis_acl", "as an administrator: ACL SETUSER agent +slowlog|")

	d = doctorOf(t, config("hunter3"), nil, "redis")
	d.ends(1)
	d.has("redis/cache", "redis_login", "refuses username or password", "ACL LIST")

	cache.CLI("ACL", "SETUSER", "agent", "+slowlog|get", "+slowlog|len")
	d = doctorOf(t, config("hunter2"), nil, "redis")
	d.ends(0)
	d.has("redis/cache", "", "it answers")
	if strings.Contains(d.text, "hunter") {
		t.Errorf("a password is printed:\n%s", d.text)
	}
}

// A page that is not as it should be, one that is not there, and a server whose clock
// is wrong.
func TestDoctorOfAPage(t *testing.T) {
	t.Parallel()
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/late" {
			w.Header().Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
		}
		fmt.Fprint(w, `{"database":"gone"}`)
	}))
	defer page.Close()
	config := fmt.Sprintf(`
collectors:
  http:
    - {name: health, url: "%[1]s/", expect: {json: {database: healthy}}}
    - {name: late, url: "%[1]s/late"}
    - {name: away, url: "http://%[2]s/"}
    - {name: well, url: "%[1]s/"}
`, page.URL, testenv.Addr(t))
	d := doctorOf(t, config, nil)
	d.ends(1)
	d.has("http/health", "http_json", "gone", "healthy", "logkeel probe health")
	d.has("http/late", "clock_skew", "1h0m", "timedatectl set-ntp true")
	d.has("http/away", "http_no_answer", "connection refused", "logkeel probe away")
	d.has("http/well", "", "it answers 200")
	d.only("http/well")
	d = doctorOf(t, config, nil, "http/late")
	d.ends(3)
	if _, code := logkeelRun(t, nil, "doctor", "--config", "nowhere.yaml"); code != 2 {
		t.Errorf("without a configuration it ends with %d, want 2", code)
	}
}
