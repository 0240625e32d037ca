package mysql

import (
	"strings"
	"testing"
)

func TestGrantsTables(t *testing.T) {
	for _, c := range []struct {
		line, schema string
		want         bool
	}{
		{"GRANT SELECT ON `shop`.* TO `u`@`h`", "shop", true},
		{"GRANT SELECT ON `shop`.* TO `u`@`h`", "shop2", false},
		{"GRANT SELECT ON `shop`.* TO `u`@`h`", "", false},
		{"GRANT INSERT, REFERENCES ON `sh%`.* TO `u`@`h` WITH GRANT OPTION", "shop", true},
		{"GRANT SHOW VIEW ON `sh\\_op`.* TO `u`@`h`", "sh_op", true},
		{"GRANT SHOW VIEW ON `sh\\_op`.* TO `u`@`h`", "shxop", false},
		{"GRANT SELECT ON `sh_p`.* TO `u`@`h`", "shop", true},
		{"GRANT SELECT ON `we``ird.x`.* TO `u`@`h`", "we`ird.x", true},
		{"GRANT SELECT ON \"shop\".* TO \"u\"@\"h\"", "shop", true},
		{"GRANT EXECUTE, LOCK TABLES ON `shop`.* TO `u`@`h`", "shop", false},
		{"GRANT SELECT ON `shop`.`orders` TO `u`@`h`", "shop", false},
		{"GRANT SELECT (`id`) ON `shop`.* TO `u`@`h`", "shop", false},
		{"GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` IDENTIFIED BY PASSWORD '*1' WITH GRANT OPTION", "", true},
		{"GRANT USAGE ON *.* TO `u`@`h`", "shop", false},
		{"GRANT PROCESS, SHOW DATABASES ON *.* TO `u`@`h`", "", false},
		{"GRANT SELECT ON *.* TO `u`@`h`", "shop", true},
		{"GRANT `reader` TO `u`@`h`", "shop", false},
		{"GRANT PROXY ON ''@'' TO 'root'@'localhost' WITH GRANT OPTION", "shop", false},
		{"REVOKE SELECT ON `shop`.* FROM `u`@`h`", "shop", false},
		{"", "shop", false},
	} {
		if got := grantsTables(c.line, c.schema); got != c.want {
			t.Errorf("%s: %q is %v, want %v", c.line, c.schema, got, c.want)
		}
	}
}

func TestLike(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"a%b%c", "axxbyyc", true},
		{"a%b%c", "axxbyy", false},
		{"%", "", true},
		{"", "a", false},
		{"_", "ü", true},
		{"\\%", "%", true},
		{"\\%", "a", false},
		{"%\\_x", "ab_x", true},
		{"a", "", false},
		{"a\\", "a\\", false},
	} {
		if got := like(c.pattern, c.name); got != c.want {
			t.Errorf("%q like %q: %v", c.name, c.pattern, got)
		}
	}
}

func FuzzGrants(f *testing.F) {
	f.Add("GRANT SELECT ON `sh%_\\_`.* TO `u`", "shop")
	f.Add("GRANT SELECT ON `", "`")
	f.Fuzz(func(t *testing.T, line, schema string) {
		if grantsTables(line, schema) && !strings.HasPrefix(line, "GRANT ") {
			t.Errorf("%q gives a right to %q", line, schema)
		}
		if own := "GRANT SELECT ON " + quote(strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(schema)) + ".* TO u"; schema != "" && !grantsTables(own, schema) {
			t.Errorf("%q gives no right to %q", own, schema)
		}
	})
}

func TestParseTable(t *testing.T) {
	for text, want := range map[string]tableName{
		"shop.orders": {"shop", "orders"}, "`a.b`.`c``d`": {"a.b", "c`d"}, "shop.`x y`": {"shop", "x y"}, "größe.☃": {"größe", "☃"},
	} {
		if got, err := parseTable(text); got != want || err != nil {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"orders": "no table", "": "empty", "shop.": "empty", ".x": "empty", "a.b.c": "what is", "`a.b": "not closed", "``.x": "empty", "mysql.user": "itself", "`a`b.c": "no table",
	} {
		if got, err := parseTable(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v; want %q", text, got, err, want)
		}
	}
}

func FuzzTable(f *testing.F) {
	f.Add("a`.b", "c")
	f.Fuzz(func(t *testing.T, schema, table string) {
		parseTable(schema + table)
		want := tableName{schema, table}
		if got, err := parseTable(want.quoted()); schema != "" && table != "" && !isSystem(schema) && (err != nil || got != want) {
			t.Errorf("%s is read as %v, %v", want.quoted(), got, err)
		}
	})
}
