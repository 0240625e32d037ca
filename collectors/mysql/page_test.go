package mysql

import (
	"math"
	"strings"
	"testing"
	"testing/quick"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
)

func TestValue(t *testing.T) {
	for text, want := range map[string]float64{
		"12": 12, "-1.5": -1.5, "18446744073709551615": 1 << 64, "ON": 1, "Yes": 1, "off": 0, "DISABLED": 0, "Primary": 1, "non-Primary": 0,
		"Jan  2 00:00:00 2030 GMT": 1893542400, "2030-01-02 00:00:00": 1893542400,
	} {
		if v, ok := value(text); !ok || v != want {
			t.Errorf("%q is %v (%v), want %v", text, v, ok, want)
		}
	}
	for _, text := range []string{"", "utf8mb4", "nan", "inf", "1e999", "1 2", "/var/lib/mysql/", "mysql-bin.000012", "10.11.6-MariaDB"} {
		if v, ok := value(text); ok {
			t.Errorf("%q is %v, want no number", text, v)
		}
	}
}

func TestSeriesAreBounded(t *testing.T) {
	n := 0
	p := newPage(func(agent.Sample) { n++ })
	for i := range maxSeries + 3 {
		p.gauge("mysql_x", "x", 1, agent.Label{Name: "i", Value: strings.Repeat("x", i%100) + string(rune(i+1000))})
		p.gauge("mysql_same", "x", 1)
	}
	if err := p.end(); n != maxSeries || err == nil || !strings.HasPrefix(err.Error(), "4 series") {
		t.Errorf("%d series, %v", n, err)
	}
}

func FuzzStatus(f *testing.F) {
	for _, name := range []string{"Com_select", "Innodb_buffer_pool_pages_dirty", "wsrep/ö", "com_", ""} {
		f.Add(name, "1")
	}
	f.Fuzz(func(t *testing.T, name, text string) {
		v, ok := value(text)
		if ok && (math.IsNaN(v) || math.IsInf(v, 0)) {
			t.Fatalf("%q is %v", text, v)
		}
		status(metricName(name), v, newPage(func(s agent.Sample) {
			if strings.Trim(s.Name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" || s.Help == "" {
				t.Fatalf("%+v", s)
			}
		}))
	})
}

func TestCleanShowsNoSecret(t *testing.T) {
	c := as("a:1", "u")
	if err := quick.Check(func(before, after string) bool {
		return !strings.Contains(c.clean(errText(before+password+after)), password)
	}, nil); err != nil {
		t.Error(err)
	}
}

type errText string

func (e errText) Error() string { return string(e) }

func TestCheck(t *testing.T) {
	for section, want := range map[string]string{
		"{name: r, address: '127.0.0.1:3306', user: u}":                                       "",
		"{name: r, socket: /run/s, user: u, password: p, statements: {limit: 0, text: true}}": "",
		"{address: 'a:1', user: u}":                                                           `db.yaml:1: mysql.name: "" is no name; give it a name of letters, digits, - . and _; its metrics are called by it`,
		"{name: r, user: u}":                                                                  `db.yaml:1: mysql.address: neither address nor socket is set; write it as 127.0.0.1:3306, or set socket`,
		"{name: r, user: u, address: 'a:1', socket: /s}":                                      `db.yaml:1: mysql.socket: address and socket are both set; remove one of them`,
		"{name: r, user: u, address: db}":                                                     `db.yaml:1: mysql.address: "db" is no host:port; write it as 127.0.0.1:3306`,
		"{name: r, user: u, socket: s}":                                                       `db.yaml:1: mysql.socket: "s" is no absolute path; write it as /run/mysqld/mysqld.sock`,
		"{name: r, address: 'a:1'}":                                                           `db.yaml:1: mysql.user: no user is set; make a user of its own for the agent, as docs/samplers.md shows`,
		"{name: r, user: u, address: 'a:1', statements: {limit: 501}}":                        `db.yaml:1: mysql.statements.limit: 501 is out of range; write 0 to 500`,
		"{name: r, user: u, socket: /s, tables: {}, check: {}}":                               "",
		"{name: r, user: u, socket: /s, tables: {interval: 7d, limit: 0, databases: shop, timeout: 10m}, check: {at: '23:59', tables: '`a.b`.c'}}": "",
		"{name: r, user: u, socket: /s, tables: {interval: 1s}}":                                                                                   `db.yaml:1: mysql.tables.interval: 1s is out of range; write 1m to 7d`,
		"{name: r, user: u, socket: /s, tables: {limit: -1}}":                                                                                      `db.yaml:1: mysql.tables.limit: -1 is out of range; write 0 to 5000`,
		"{name: r, user: u, socket: /s, tables: {timeout: 0s}}":                                                                                    `db.yaml:1: mysql.tables.timeout: 0s is out of range; write 1s to 10m`,
		"{name: r, user: u, socket: /s, tables: {databases: [a, mysql]}}":                                                                          `db.yaml:1: mysql.tables.databases: "mysql" is the server's own; remove it: the server looks after it itself`,
		"{name: r, user: u, socket: /s, tables: {databases: [a, a]}}":                                                                              `db.yaml:1: mysql.tables.databases: "a" is there twice; name each once`,
		"{name: r, user: u, socket: /s, check: {at: noon}}":                                                                                        `db.yaml:1: mysql.check.at: "noon" is no time of day; write hours and minutes in quotes, as "03:30"`,
		"{name: r, user: u, socket: /s, check: {at: '03:30', interval: 1h}}":                                                                       `db.yaml:1: mysql.check.interval: at and interval are both set; remove one of them`,
		"{name: r, user: u, socket: /s, check: {interval: 1m}}":                                                                                    `db.yaml:1: mysql.check.interval: 1m is out of range; write 10m to 31d`,
		"{name: r, user: u, socket: /s, check: {pause: 1h}}":                                                                                       `db.yaml:1: mysql.check.pause: 1h is out of range; write 0s to 10m`,
		"{name: r, user: u, socket: /s, check: {tables: orders}}":                                                                                  "db.yaml:1: mysql.check.tables: \"orders\": it names no table; write database.table; names with dots in backticks, as `a.b`.`c`",
		"{name: r, user: u, address: 'a:1', slow_log: {read: true, limit: 500, text: true, interval: 1s}}":                                         "",
		"{name: r, user: u, address: 'a:1', slow_log: {limit: 0}}":                                                                                 `db.yaml:1: mysql.slow_log.limit: 0 is out of range; write 1 to 500`,
		"{name: r, user: u, address: 'a:1', slow_log: {interval: 25h}}":                                                                            `db.yaml:1: mysql.slow_log.interval: 25h is out of range; write 1s to 24h`,
		"{name: r, user: u, address: 'a:1', tls: {ca_file: /no}}":                                                                                  `db.yaml:1: mysql.tls: ca_file: open /no: no such file or directory; name PEM files that this user can read`,
		"{name: r, user: u, socket: /s, tls: {}}":                                                                                                  `db.yaml:1: mysql.tls: a unix socket has no host name to verify; set server_name to the name in the server's certificate`,
	} {
		var c struct {
			MySQL Config `yaml:"mysql"`
		}
		c.MySQL.SetDefaults()
		doc, err := conf.Decode("db.yaml", []byte("mysql: "+section), &c, conf.Options{})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := c.MySQL.Check(doc, "mysql"); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s:\n got %s\nwant %s", section, got, want)
		}
	}
}
