package fields

import (
	"strings"
	"testing"
)

// TestAccessObject reads lines of servers that write JSON.
func TestAccessObject(t *testing.T) {
	for name, tt := range map[string]struct{ line, want string }{
		"nginx": {
			`{"time":"2025-01-09T14:30:05+00:00","remote_addr":"192.0.2.7","remote_user":"","request":"GET /a%2Fb?x=1+2 HTTP/1.1","status": "502","body_bytes_sent":"157","http_referer":"","http_user_agent":"curl/8.5.0","request_time":"0.118"}`,
			"client=192.0.2.7|method=GET|path=/a/b|query=x=1 2|target=/a%2Fb?x=1+2|protocol=HTTP/1.1|status=502|bytes=157|agent=curl/8.5.0|request_time=0.118",
		},
		"nginx, apart": {
			`{"remote_addr":"192.0.2.7","request_method":"POST","uri":"/login","args":"a=%27","status":401,"request_time":3.5}`,
			"client=192.0.2.7|method=POST|path=/login|query=a='|target=/login|status=401|request_time=3.5",
		},
		"caddy": {
			`{"level":"info","ts":1646861401.52,"logger":"http.log.access","msg":"handled request","request":{"remote_ip":"10.0.0.2","remote_port":"41342","client_ip":"192.0.2.7","proto":"HTTP/2.0","method":"GET","host":"shop.example","uri":"/p?q=1","headers":{"User-Agent":["curl/8.5.0"],"Referer":["https://x.example/"]}},"bytes_read":0,"user_id":"","duration":4,"size":10900,"status":200,"resp_headers":{"Server":["Caddy"]}}`,
			"host=shop.example|client=192.0.2.7|method=GET|path=/p|query=q=1|target=/p?q=1|protocol=HTTP/2.0|status=200|bytes=10900|referer=https://x.example/|agent=curl/8.5.0|request_time=4",
		},
		"traefik": {
			`{"ClientAddr":"192.0.2.7:51234","ClientHost":"192.0.2.7","ClientUsername":"-","DownstreamContentSize":19,"DownstreamStatus":404,"Duration":4000123456,"OriginStatus":0,"RequestHost":"shop.example","RequestMethod":"GET","RequestPath":"/.env","RequestProtocol":"HTTP/1.1","level":"info","msg":"","request_User-Agent":"zgrab/0.x","time":"2025-01-09T14:30:05Z"}`,
			"host=shop.example|client=192.0.2.7|method=GET|path=/.env|target=/.env|protocol=HTTP/1.1|status=404|bytes=19|agent=zgrab/0.x|request_time=4000123456ns",
		},
		"envoy": {
			`{"authority":"shop.example","bytes_sent":10,"downstream_remote_address":"192.0.2.7:5050","duration":4012,"method":"GET","path":"/p?q=1","protocol":"HTTP/1.1","response_code":503,"user_agent":"curl"}`,
			"host=shop.example|client=192.0.2.7|method=GET|path=/p|query=q=1|target=/p?q=1|protocol=HTTP/1.1|status=503|bytes=10|agent=curl|request_time=4012ms",
		},
		"echo": {
			`{"remote_ip":"2001:db8::7","host":"a","method":"GET","uri":"/","user_agent":"","status":200,"latency":18123,"latency_human":"18.123µs","bytes_out":5}`,
			"host=a|client=2001:db8::7|method=GET|path=/|target=/|status=200|bytes=5|request_time=18.123µs",
		},
		"unit unknown":     {`{"method":"GET","path":"/","status":200,"duration":4012}`, "method=GET|path=/|target=/|status=200"},
		"no method":        {`{"path":"/","status":200}`, "none"},
		"no status":        {`{"method":"GET","path":"/"}`, "none"},
		"no number":        {`{"method":"GET","path":"/","status":"done"}`, "none"},
		"spaced":           {`{"method":"GET","path":"/","status" : 200}`, "none"},
		"escaped name":     {`{"method":"GET","path":"/","st\u0061tus":200}`, "none"},
		"escaped method":   {`{"method":"G\u0045T","path":"/","status":200}`, "path=/|target=/|status=200"},
		"no request":       {`{"request":"\u0016\u0003","status":400}`, "target=\x16\x03|status=400"},
		"torn":             {`{"method":"GET","path":"/","status":200`, "none"},
		"odd values":       {`{"method":"","path":"","status":200,"client":":80"}`, "status=200"},
		"a path of a text": {`{"method":"GET","path":"\/a\u002fb","status":200}`, `method=GET|path=/a/b|target=/a/b|status=200`},
	} {
		got, ok := read(Access, &Input{Body: []byte(tt.line)})
		if text := strings.Join(got, "|"); !ok && tt.want != "none" || ok && text != tt.want {
			t.Errorf("%s is\n%s, %t, want\n%s", name, text, ok, tt.want)
		}
	}
}
