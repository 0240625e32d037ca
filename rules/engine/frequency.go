package engine

import (
	"math"
	"sync"
)

// sample is what logs are like: which literals are rare, and so worth looking
// for, is judged by it.
const sample = `[2025-01-09 14:30:02] production.INFO: Invoice 20418 sent to client {"invoice_id":20418,"client":"Acme Ltd","user_id":17}
[2025-01-09 14:30:04] production.ERROR: SQLSTATE[HY000] [2002] Connection refused (Connection: mysql, SQL: select * from "companies" where "company_key" = ? limit 1) {"exception":"[object] (Illuminate\\Database\\QueryException(code: 2002): SQLSTATE[HY000] at /var/www/app/vendor/laravel/framework/src/Illuminate/Database/Connection.php:825)
#0 /var/www/app/vendor/laravel/framework/src/Illuminate/Routing/Controller.php(54): App\\Http\\Controllers\\InvoiceController->show()
[2025-01-09 14:30:05] production.WARNING: Queue job App\\Jobs\\Ninja\\SendReminders released, attempt 2 of 5
[2025-01-09 14:30:05] production.DEBUG: cache hit for key settings_company_31 in 0.42 ms
172.20.0.1 - - [09/Jan/2025:14:30:05 +0000] "GET /api/v1/invoices?per_page=20&page=3&include=client HTTP/1.1" 200 18342 "https://billing.example.com/" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36" rt=0.118
10.0.3.17 - admin [09/Jan/2025:14:30:06 +0000] "POST /api/v1/login HTTP/1.1" 401 96 "-" "curl/8.5.0" rt=0.032
172.20.0.1 - - [09/Jan/2025:14:30:07 +0000] "GET /assets/index-4f1c9a.js HTTP/2.0" 304 0 "https://billing.example.com/dashboard" "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15"
2025/01/09 14:30:08 [error] 29#29: *1840 upstream timed out (110: Connection timed out) while reading response header from upstream, client: 10.0.3.17, server: _, request: "GET /health HTTP/1.1", upstream: "fastcgi://127.0.0.1:9000", host: "localhost:8080"
2025-01-09 14:30:08 114 [Warning] Aborted connection 114 to db: 'invoiceninja' user: 'invoiceninja' host: '172.20.0.4' (Got timeout reading communication packets)
1:M 09 Jan 2025 14:30:09.115 * 100 changes in 300 seconds. Saving...
1:M 09 Jan 2025 14:30:09.201 * Background saving started by pid 412; RDB: 0 MB of memory used by copy-on-write
time="2025-01-09T14:30:10.482Z" level=info msg="request completed" method=GET path=/metrics status=200 duration=1.9ms remote=10.0.3.2:51844 request_id=7d0c2f3e-8a41-4b6f-9c15-52be0a6f1c33
{"level":"info","ts":"2025-01-09T14:30:11.020Z","caller":"server/handler.go:88","msg":"user session renewed","user":"anna","trace":"4bf92f3577b34da6a3ce929d0e0e4736"}
Jan  9 14:30:12 web1 php-fpm[31]: [pool www] child 58 exited with code 0 after 301.294 seconds from start
I0109 14:30:13.004201       1 worker.go:212] processed 128 items from the queue, 0 failed, the next run is in 30s
INFO  2025-01-09 14:30:14,120 [http-nio-8080-exec-3] com.example.orders.OrderService - Order 88213 stored for customer 4410
`

// A byteModel says how often bytes and pairs of bytes are in a log. It is kept as
// counts of pairs: their shares would be 512 KiB for as long as the agent runs.
type byteModel struct {
	one    [256]float64 // sums to 1
	counts [256][256]uint8
}

const (
	unseen  = 0.1 // times that a byte is taken to have been seen before
	trusted = 0.7 // how far a pair's own count is trusted
)

var logModel = sync.OnceValue(func() *byteModel {
	m := &byteModel{}
	for c := range m.one {
		m.one[c] = unseen
	}
	for i := range len(sample) {
		m.one[sample[i]]++
	}
	for c := range m.one {
		m.one[c] /= float64(len(sample)) + 256*unseen
	}
	for i := range len(sample) - 1 {
		if n := &m.counts[sample[i]][sample[i+1]]; *n < math.MaxUint8 {
			*n++
		}
	}
	return m
})

// two is the share of exactly x followed by y.
func (m *byteModel) two(x, y byte) float64 {
	return (1-trusted)*m.one[x]*m.one[y] + trusted/float64(len(sample)-1)*float64(m.counts[x][y])
}

// char is the share of c, in either case with fold.
func (m *byteModel) char(c byte, fold bool) float64 {
	if fold && isLetter(c) {
		return m.one[c] + m.one[c^0x20]
	}
	return m.one[c]
}

// pair is the share of x followed by y.
func (m *byteModel) pair(x, y byte, fold bool) float64 {
	p := 0.0
	for _, x := range Cases(x, fold) {
		for _, y := range Cases(y, fold) {
			p += m.two(x, y)
		}
	}
	return p
}

// Cases are the bytes that c stands for.
func Cases(c byte, fold bool) []byte {
	if fold && isLetter(c) {
		return []byte{c, c ^ 0x20}
	}
	return []byte{c}
}

// rarest is the byte of the needle that logs have least.
func (n *Needle) rarest() (at int, share float64) {
	share = math.Inf(1)
	for i, c := range n.Text {
		if f := logModel().char(c, n.Fold); f < share {
			at, share = i, f
		}
	}
	return at, share
}

// frequency is how often one of the literals is met, for each byte of a log.
func frequency(set []Literal) float64 {
	m := logModel()
	sum := 0.0
	for _, l := range set {
		if l.Text == "" {
			return 1
		}
		p := m.char(l.Text[0], l.Fold)
		for i := 1; i < len(l.Text); i++ {
			p *= m.pair(l.Text[i-1], l.Text[i], l.Fold) / m.char(l.Text[i-1], l.Fold)
		}
		sum += p
	}
	return sum
}
