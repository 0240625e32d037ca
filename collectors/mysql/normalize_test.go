package mysql

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestNormalize(t *testing.T) {
	for statement, want := range map[string]string{
		"SELECT * FROM `orders` WHERE id = 12 AND name='o\\'Neil' LIMIT 5, 10":                                    "select * from orders where id = ? and name = ? limit ?, ?",
		`select "a""b", x'4D', 0xFF, b'01', N'x', 1e-5, .5, -3, +4 from t`:                                        "select ?, ?, ?, ?, ?, ?, ?, ?, ? from t",
		"SELECT a-1, a - -1 FROM t1 WHERE t1.c2 > -1":                                                             "select a - ?, a - ? from t1 where t1.c2 > ?",
		"SELECT * FROM t WHERE id IN (1,2,3) OR x IN ('a')":                                                       "select * from t where id in (...) or x in (...)",
		"SELECT * FROM t WHERE id IN (-1, NULL, true)":                                                            "select * from t where id in (...)",
		"INSERT INTO t (a, b) VALUES (1, 'x'), (2, NOW()), (3, (SELECT 1)) ON DUPLICATE KEY UPDATE a = VALUES(a)": "insert into t (a, b) values (...) on duplicate key update a = values (...)",
		"INSERT INTO t VALUES (1)":                                                                                "insert into t values (...)",
		"SELECT /* user 42 */ 1 -- and 43\n + 2 # and 44":                                                         "select ? + ?",
		"SELECT SLEEP(0.2)":                                                      "select sleep (...)",
		"SELECT `we ird`.`2024`, db.t.`a``b` FROM x":                             "select `we ird`.`2024`, db.t.`a``b` from x",
		"SET @a := 'x', @@session.sql_mode = ''":                                 "set @a := ?, @@session.sql_mode = ?",
		"SELECT _utf8mb4'x' COLLATE utf8mb4_bin, 'a' 'b', date'2020-01-01'":      "select _utf8mb4 ? collate utf8mb4_bin, ?, date ?",
		"select a->'$.x', a->>\"$.y\" from t where a<=>1 and b<>2 and c!=3 || d": "select a -> ?, a ->> ? from t where a <=> ? and b <> ? and c != ? || d",
		"CREATE USER a@'%' IDENTIFIED BY 'p'":                                    "create user a @? identified by ?",
		"# administrator command: Ping":                                          "",
		"":                                                                       "",
		"SELECT 'a":                                                              "select ...",
		"secret 'a":                                                              "statement ...",
		`SELECT * FROM t WHERE a='x\' AND b='secret'`:                            "select ...", // as of a server with NO_BACKSLASH_ESCAPES
		`SELECT * FROM t WHERE a='x\' AND b='secret' AND c='y\' AND d='z'`: "select ...",
		`SELECT \secret`:                "select ...",
		"SELECT `secret":                "select ...",
		"SELECT größe FROM t WHERE x=1": "select größe from t where x = ?",
	} {
		if got := normalize(statement, false, false); got != want {
			t.Errorf("%s:\n got %s\nwant %s", statement, got, want)
		}
	}
	if got, want := normalize(`SELECT * FROM t WHERE a='x\' AND b='secret'`, true, false), "select * from t where a = ? and b = ?"; got != want {
		t.Errorf("without escapes: %s, want %s", got, want)
	}
	for statement, want := range map[string]string{
		"SELECT * FROM t WHERE a IN (1, 2, 3":        "select * from t where a in (...) ...",
		"SELECT * FROM t WHERE a IN (1, 2, ":         "select * from t where a in (...) ...",
		"SELECT * FROM t WHERE a = 'sec":             "select * from t where a = ? ...",
		"INSERT INTO t VALUES (1, 'a'), (2, 'secr":   "insert into t values (...) ...",
		"INSERT INTO t VALUES (1, 'a'), (2, 'x\\":    "insert into t values (...) ...",
		"INSERT INTO t VALUES (1, 'a'), (2, `secret": "insert into t values (...) ...",
	} {
		if got := normalize(statement, false, true); got != want {
			t.Errorf("%s, cut:\n got %s\nwant %s", statement, got, want)
		}
	}
}

// Whatever a value is, the text is the same.
func FuzzNormalizeValues(f *testing.F) {
	for _, s := range []string{"", "secret", "o'Neil", `a\`, `\'`, `"`, "a\x00b", "/* */", "-- ", "`", "é", "1", "\xff", "'", "(", "?"} {
		f.Add(s, uint64(len(s)))
	}
	f.Fuzz(func(t *testing.T, v string, n uint64) {
		double := strings.ReplaceAll(v, "'", "''")
		escaped := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(v)
		number := strings.Repeat("7", int(n%40)+1)
		for _, c := range []struct {
			value string
			plain bool
		}{{double, true}, {escaped, false}, {strings.ReplaceAll(double, `\`, `\\`), false}} {
			got := normalize("SELECT a FROM t WHERE b = '"+c.value+"' AND c IN ('"+c.value+"', "+number+") AND d=-"+number+" LIMIT "+number, c.plain, false)
			if want := "select a from t where b = ? and c in (...) and d = ? limit ?"; got != want {
				t.Fatalf("%q is %q", c.value, got)
			}
			got = normalize("INSERT INTO t VALUES ("+number+", '"+c.value+"'), (1, '"+c.value, c.plain, true)
			if want := "insert into t values (...) ..."; got != want {
				t.Fatalf("%q, cut, is %q", c.value, got)
			}
		}
	})
}

func FuzzNormalize(f *testing.F) {
	for _, s := range []string{"SELECT 1", "a'b", `a\'b"c`, "`a", "/*", "--", "((((?", "values ((1", "1e+-5", "values (1),(", ".5.6", "\xff\xfe'"} {
		f.Add(s, false, false)
	}
	f.Fuzz(func(t *testing.T, s string, plain, truncated bool) {
		got := normalize(s, plain, truncated)
		if !utf8.ValidString(got) || len(got) > maxNormal {
			t.Fatalf("%q is %d bytes: %q", s, len(got), got)
		}
		if strings.ContainsAny(got, "'\"\\\n\x00") && !strings.Contains(s, "`") {
			t.Fatalf("%q is %q", s, got)
		}
	})
}
