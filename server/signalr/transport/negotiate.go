package transport

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// negotiateVersion is the highest version of the negotiation: 1 has a connection token beside the connection id.
const negotiateVersion = 1

// negotiation is the response to a negotiate request (TransportProtocols.md, "POST endpoint-base/negotiate").
type negotiation struct {
	UseStatefulReconnect bool                 `json:"useStatefulReconnect,omitempty"`
	NegotiateVersion     int                  `json:"negotiateVersion"`
	ConnectionID         string               `json:"connectionId"`
	ConnectionToken      string               `json:"connectionToken,omitempty"`
	AvailableTransports  []availableTransport `json:"availableTransports"`
}

type availableTransport struct {
	Transport       string   `json:"transport"`
	TransferFormats []string `json:"transferFormats"`
}

func (x *exchange) negotiate() {
	if x.request.Method != http.MethodPost {
		x.respond(http.StatusMethodNotAllowed, "")
		return
	}
	if x.endpoint.manager.full() {
		x.refuseFull()
		return
	}
	version, problem := x.negotiateVersion()
	if problem != "" {
		x.respondJSON(struct {
			Error string `json:"error"`
		}{problem})
		return
	}
	claims := Claims{IssuedAt: time.Now(), Version: version, Stateful: x.wantsStateful()}
	if version > 0 {
		claims.ConnectionID = newID()
	}
	token := x.endpoint.manager.options.Tokens.Issue(x.endpoint.hub, claims)
	response := negotiation{
		UseStatefulReconnect: claims.Stateful,
		NegotiateVersion:     version,
		ConnectionID:         claims.ConnectionID,
		ConnectionToken:      token,
		AvailableTransports:  x.endpoint.options.availableTransports(),
	}
	if version == 0 {
		response.ConnectionID, response.ConnectionToken = token, ""
	}
	x.respondJSON(response)
}

// negotiateVersion returns the version to answer with, or what is wrong with the client's.
func (x *exchange) negotiateVersion() (version int, problem string) {
	raw, given := queryValue(x.query, "negotiateVersion")
	if given {
		var err error
		if version, err = strconv.Atoi(strings.TrimSpace(raw)); err != nil {
			return 0, "The client requested a non-integer protocol version."
		}
	}
	if version < x.endpoint.options.MinimumProtocolVersion {
		return 0, fmt.Sprintf("The client requested version '%d', but the server does not support this version.", version)
	}
	return min(version, negotiateVersion), ""
}

func (x *exchange) wantsStateful() bool {
	raw, _ := queryValue(x.query, "useStatefulReconnect")
	return x.endpoint.options.AllowStatefulReconnects && strings.EqualFold(raw, "true")
}

func (o *EndpointOptions) availableTransports() []availableTransport {
	available := []availableTransport{}
	for _, entry := range kinds {
		if !o.Transports.Has(entry.kind) {
			continue
		}
		formats := []string{"Text"}
		if entry.binary {
			formats = append(formats, "Binary")
		}
		available = append(available, availableTransport{Transport: entry.name, TransferFormats: formats})
	}
	return available
}

func (x *exchange) respondJSON(value any) {
	body, err := json.Marshal(value)
	if err != nil {
		x.respond(http.StatusInternalServerError, "")
		return
	}
	header := x.writer.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = x.writer.Write(body)
}
