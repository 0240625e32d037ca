package mysql

import (
	"fmt"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/testenv"
)

func TestCompression(t *testing.T) {
	t.Parallel()
	srv := start(t)
	grantParts(srv, "logkeel")
	srv.SQL("USE shop; CREATE TABLE shop.packed (id INT PRIMARY KEY, t TEXT) ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=4; INSERT INTO shop.packed SELECT seq, REPEAT('x', 500) FROM " + numbers(srv, 3000))
	s := newSampler(t, as(srv.Addr, "logkeel"))
	before := srv.SQL("SELECT compress_ops FROM information_schema.innodb_cmp WHERE page_size = 4096")
	got, err := take(t, s)
	if err != nil {
		t.Fatal(err)
	}
	var least float64
	fmt.Sscan(before, &least)
	if v := got[`mysql_info_schema_innodb_cmp_compress_ops_total{page_size="4096"}`]; v < least || least == 0 {
		t.Errorf("%v pages were compressed, the server says %s", v, before)
	}
	if _, ok := got[`mysql_info_schema_innodb_cmpmem_pages_used_total{page_size="4096",buffer_pool="0"}`]; !ok {
		t.Errorf("nothing is known of the memory for them")
	}
}

func TestGalera(t *testing.T) {
	for options, want := range map[string]float64{
		"base_dir = /x; gcache.page_size = 64M; gcache.size = 128M; gcs.fc_limit = 16": 128 << 20, "gcache.size=2G": 2 << 30, "gcache.size = 1000": 1000,
		"": -1, "none": -1, "gcache.size = much": -1,
	} {
		v, ok := cacheSize(options)
		if ok != (want >= 0) || ok && v != want {
			t.Errorf("%q is %v (%v), want %v", options, v, ok, want)
		}
	}
}

func TestProcessesAreBounded(t *testing.T) {
	t.Parallel()
	srv := testenv.MariaDB(t, "--max-connections=200")
	var b strings.Builder
	for i := range 120 {
		fmt.Fprintf(&b, "CREATE USER u%d@'localhost';", i)
	}
	srv.SQL(b.String())
	for i := range 120 {
		sessionOf(t, srv, fmt.Sprintf("u%d", i))
	}
	users, total, rest := 0, 0.0, 0.0
	err := writeProcesses(t.Context(), session(t, srv), newPage(func(s agent.Sample) {
		if s.Name == "mysql_info_schema_processlist_processes_by_user" {
			users++
			total += s.Value
			if s.Labels[0].Value == overflow {
				rest = s.Value
			}
		}
	}))
	if err != nil || users != maxStates+1 || total < 120 || rest < 20 {
		t.Errorf("%d users with %v connections, %v of them others', %v", users, total, rest, err)
	}
}
