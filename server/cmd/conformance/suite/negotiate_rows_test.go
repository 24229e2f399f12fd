package suite

import (
	"net/http"
	"time"
)

// afterDisconnectTimeout is longer than the 15 s that a connection may be without a transport. Both servers look once a
// second, on a busy machine later.
const afterDisconnectTimeout = 25 * time.Second

var negotiateRows = []row{
	{id: "N1", name: "version 1", run: func(x *trial) {
		n := x.negotiate(x.server(), "/conformance", "negotiateVersion=1", nil)
		check(x, "version", *n.NegotiateVersion, 1)
		if n.ConnectionToken == nil || n.ConnectionID == "" || *n.ConnectionToken == n.ConnectionID {
			x.Fatalf("want an id and another token: %s", n.text)
		}
		x.contains("response", n.text, `"availableTransports":[{"transport":"WebSockets","transferFormats":["Text","Binary"]},`+
			`{"transport":"ServerSentEvents","transferFormats":["Text"]},{"transport":"LongPolling","transferFormats":["Text","Binary"]}]`)
	}},
	{id: "N2", name: "version 0", run: func(x *trial) {
		n := x.negotiate(x.server(), "/conformance", "", nil)
		check(x, "version", *n.NegotiateVersion, 0)
		if n.ConnectionToken != nil || n.ConnectionID == "" {
			x.Fatalf("want an id and no token: %s", n.text)
		}
		check(x, "status of the first poll with the id", x.get(n.address(x.server(), "/conformance")).status, http.StatusOK)
	}},
	{id: "N3", name: "future version", run: func(x *trial) {
		check(x, "version", *x.negotiate(x.server(), "/conformance", "negotiateVersion=99", nil).NegotiateVersion, 1)
	}},
	{id: "N4", name: "version that is no number", run: func(x *trial) {
		x.refused(x.server(), "negotiateVersion=abc", "The client requested a non-integer protocol version.")
	}},
	{id: "N5", name: "minimum version", run: func(x *trial) {
		s := x.server("MINIMUM_PROTOCOL_VERSION=1")
		x.refused(s, "", "The client requested version '0', but the server does not support this version.")
		x.refused(s, "negotiateVersion=-1", "The client requested version '-1', but the server does not support this version.")
		check(x, "version", *x.negotiate(s, "/conformance", "negotiateVersion=1", nil).NegotiateVersion, 1)
	}},
	{id: "N6", name: "method", run: func(x *trial) {
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
			a := x.ask(method, x.server().url+"/conformance/negotiate", nil, nil)
			x.expect(a, http.StatusMethodNotAllowed, "")
			x.expectHeaders(a.header, "Content-Type", "text/plain")
		}
	}},
	{id: "N7", name: "transports are filtered", run: func(x *trial) {
		n := x.negotiate(x.server(), "/conformance-longpolling", "negotiateVersion=1", nil)
		x.contains("response", n.text, `"availableTransports":[{"transport":"LongPolling","transferFormats":["Text","Binary"]}]`)
	}},
	{id: "N8", name: "no transports", run: func(x *trial) {
		n := x.negotiate(x.server(), "/conformance-none", "negotiateVersion=1", nil)
		x.contains("response", n.text, `"availableTransports":[]`)
	}},
	{id: "N9", name: "stateful reconnect is off", run: func(x *trial) {
		n := x.negotiate(x.server(), "/conformance-stateless", "negotiateVersion=1&useStatefulReconnect=true", nil)
		check(x, "useStatefulReconnect", n.UseStatefulReconnect, nil)
	}},
	{id: "N10", name: "stateful reconnect is on", run: func(x *trial) {
		for _, value := range []string{"true", "True"} {
			n := x.negotiate(x.server(), "/conformance", "negotiateVersion=1&useStatefulReconnect="+value, nil)
			x.contains("response", n.text, `"useStatefulReconnect":true`)
		}
	}},
	{id: "N11", name: "stateful reconnect is not asked for", run: func(x *trial) {
		for _, query := range []string{"", "&useStatefulReconnect=false"} {
			n := x.negotiate(x.server(), "/conformance", "negotiateVersion=1"+query, nil)
			check(x, "useStatefulReconnect", n.UseStatefulReconnect, nil)
		}
	}},
	{id: "N12", name: "the public id is no key", run: func(x *trial) {
		n := x.negotiate(x.server(), "/conformance", "negotiateVersion=1", nil)
		x.expect(x.get(x.server().url+"/conformance?id="+n.ConnectionID), http.StatusNotFound, "No Connection with that ID")
	}},
	{id: "N13", name: "negotiation expires", run: func(x *trial) {
		n := x.negotiate(x.server(), "/conformance", "negotiateVersion=1", nil)
		x.idle(afterDisconnectTimeout)
		x.expect(x.get(n.address(x.server(), "/conformance")), http.StatusNotFound, "No Connection with that ID")
	}},
	{id: "N14", name: "further query parameters", run: func(x *trial) {
		c := x.connectBy(x.server(), how{query: "x=1"})
		check(x, "x in the hub", c.invoke("Query", "x"), any("1"))
		check(x, "y in the hub", c.invoke("Query", "y"), nil)
	}},
}

// refused fails the row unless negotiation is answered with that error and nothing else.
func (x *trial) refused(s *server, query, text string) {
	x.Helper()
	n := x.negotiate(s, "/conformance", query, nil)
	if n.Error == nil || *n.Error != text || len(n.properties) != 1 {
		x.Fatalf("response is %s, want only the error %q", n.text, text)
	}
}
