package docker

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// What the engine is asked, and what its answers mean.
func TestClientLogs(t *testing.T) {
	var status int
	var asked string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "_ping") {
			w.Header().Set("Api-Version", "1.41")
			return
		}
		asked = r.Method + " " + r.URL.Path + "?" + r.URL.RawQuery
		w.WriteHeader(status)
		fmt.Fprint(w, `{"message": "of the engine"}`)
	}))
	defer s.Close()
	eng, err := dial("tcp://"+strings.TrimPrefix(s.URL, "http://"), false)
	if err != nil {
		t.Fatal(err)
	}
	defer eng.Close()
	for _, c := range []struct {
		q      logQuery
		status int
		asked  string
		is     error
		text   string
	}{
		{logQuery{}, 200, "stderr=1&stdout=1&tail=&timestamps=1", nil, ""},
		{logQuery{since: 1_700_000_000_000_000_012, follow: true}, 200, "follow=1&since=1700000000.000000012&stderr=1&stdout=1&tail=&timestamps=1", nil, ""},
		{logQuery{last: true}, 200, "stderr=1&stdout=1&tail=1&timestamps=1", nil, ""},
		{logQuery{}, 404, "", errGone, ""},
		{logQuery{}, 501, "", errUnreadable, ""},
		{logQuery{}, 403, "", nil, "allow the agent GET /containers/{id}/logs"},
		{logQuery{}, 409, "", nil, "of the engine"},
		{logQuery{}, 500, "", nil, "of the engine"},
	} {
		status = c.status
		body, err := eng.Logs(t.Context(), box, c.q)
		if err == nil {
			io.Copy(io.Discard, body)
			body.Close()
		}
		switch {
		case c.asked != "" && asked != "GET /v1.41/containers/"+box+"/logs?"+c.asked:
			t.Errorf("asked %s, want %s", asked, c.asked)
		case c.is != nil && !errors.Is(err, c.is), c.text != "" && (err == nil || !strings.Contains(err.Error(), c.text)), (err == nil) != (c.status == 200):
			t.Errorf("%d means %v", c.status, err)
		}
	}
}
