package mysql

import (
	"context"
	"database/sql"
	"regexp"
	"strconv"

	"github.com/webgrip/logkeel/agent"
)

// maxPageSizes bounds the rows of the tables below: a server has five sizes of
// pages, for each part of its buffer pool.
const maxPageSizes = 500

// writeCompression tells of compressed pages. Servers without such tables have
// none to tell of.
func writeCompression(ctx context.Context, conn *sql.Conn, out *page) error {
	err := records(ctx, conn, "SELECT * FROM information_schema.INNODB_CMP", maxPageSizes, func(r record) {
		size := agent.Label{Name: "page_size", Value: r.text("page_size")}
		for _, c := range []struct{ column, metric, help string }{
			{"compress_ops", "compress_ops_total", "Pages that were compressed."},
			{"compress_ops_ok", "compress_ops_ok_total", "Pages that were compressed, and small enough then."},
			{"compress_time", "compress_time_seconds_total", "Time that compressing took."},
			{"uncompress_ops", "uncompress_ops_total", "Pages that were uncompressed."},
			{"uncompress_time", "uncompress_time_seconds_total", "Time that uncompressing took."},
		} {
			if v, ok := value(r.text(c.column)); ok {
				out.counter("mysql_info_schema_innodb_cmp_"+c.metric, c.help, v, size)
			}
		}
	})
	if err != nil && !unknownStatement(err) {
		return err
	}
	err = records(ctx, conn, "SELECT * FROM information_schema.INNODB_CMPMEM", maxPageSizes, func(r record) {
		labels := []agent.Label{{Name: "page_size", Value: r.text("page_size")}, {Name: "buffer_pool", Value: r.text("buffer_pool_instance")}}
		for _, c := range []struct {
			column, metric, help string
			unit                 float64
		}{
			{"pages_used", "pages_used_total", "Blocks for compressed pages that are in use.", 1},
			{"pages_free", "pages_free_total", "Blocks for compressed pages that are free.", 1},
			{"relocation_ops", "relocation_ops_total", "Blocks that were moved.", 1},
			{"relocation_time", "relocation_time_seconds_total", "Time that moving took.", 1e3},
		} {
			if v, ok := value(r.text(c.column)); ok {
				out.counter("mysql_info_schema_innodb_cmpmem_"+c.metric, c.help, v/c.unit, labels...)
			}
		}
	})
	if unknownStatement(err) {
		return nil
	}
	return err
}

var galeraCache = regexp.MustCompile(`(?:^|;)\s*gcache\.size\s*=\s*([0-9]+)\s*([kKmMgGtT]?)\s*(?:;|$)`)

// writeGalera tells of the cluster, where the server could be in one.
func writeGalera(variables map[string]string, out *page) {
	if name := variables["wsrep_cluster_name"]; name != "" {
		out.gauge("mysql_galera_variables_info", "The Galera cluster; always 1.", 1, agent.Label{Name: "wsrep_cluster_name", Value: name})
	}
	if size, ok := cacheSize(variables["wsrep_provider_options"]); ok {
		out.gauge("mysql_galera_gcache_size_bytes", "Size of Galera's cache of changes.", size)
	}
}

func cacheSize(options string) (float64, bool) {
	m := galeraCache.FindStringSubmatch(options)
	if m == nil {
		return 0, false
	}
	v, err := strconv.ParseFloat(m[1], 64)
	unit := map[string]float64{"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
	return v * unit[metricName(m[2])], err == nil
}
