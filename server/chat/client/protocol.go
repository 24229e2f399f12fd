package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/coder/websocket"
)

// ErrClosed is why a connection ended that Close was called on.
var ErrClosed = errors.New("closed by the client")

// CloseError says that the server ended the connection with a Close message.
type CloseError struct {
	// Reason is the server's error, empty if it gave none.
	Reason string
	// AllowReconnect says that the client may connect again.
	AllowReconnect bool
}

func (e *CloseError) Error() string {
	if e.Reason == "" {
		return "closed by the server"
	}
	return "closed by the server: " + e.Reason
}

// Hub message types (HubProtocol.md, "JSON Encoding").
const (
	typeInvocation = 1
	typeCompletion = 3
	typePing       = 6
	typeClose      = 7
)

// recordEnd follows each message of the JSON protocol (HubProtocol.md, "JSON Encoding").
var recordEnd = []byte{0x1e} //nolint:gochecknoglobals // a constant, but for the language

type invocation struct {
	Type         int      `json:"type"`
	InvocationID string   `json:"invocationId"`
	Target       string   `json:"target"`
	Arguments    []string `json:"arguments"`
}

// received is any message of the server, with the fields that this client looks at.
type received struct {
	Type           int               `json:"type"`
	InvocationID   string            `json:"invocationId"`
	Target         string            `json:"target"`
	Arguments      []json.RawMessage `json:"arguments"`
	Error          string            `json:"error"`
	AllowReconnect bool              `json:"allowReconnect"`
}

// chat returns the message of the chat that m carries, if it carries one.
func (m received) chat() (message Message, ok bool) {
	if m.Target != "ReceiveMessage" || len(m.Arguments) < 2 {
		return Message{}, false
	}
	fields := []*string{&message.User, &message.Text, &message.Server}
	for i, argument := range m.Arguments {
		if i == len(fields) {
			break
		}
		if json.Unmarshal(argument, fields[i]) != nil {
			return Message{}, false
		}
	}
	return message, true
}

// negotiate returns the token of a new connection (TransportProtocols.md, "POST [endpoint-base]/negotiate request").
func negotiate(ctx context.Context, requests *http.Client, hub string) (token string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, hub+"/negotiate?negotiateVersion=1", http.NoBody)
	if err != nil {
		return "", fmt.Errorf("negotiating with %s: %w", hub, err)
	}
	response, err := requests.Do(request)
	if err != nil {
		return "", fmt.Errorf("negotiating with %s: %w", hub, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("negotiating with %s: the server answers %s", hub, response.Status)
	}
	var answer struct {
		ConnectionToken string `json:"connectionToken"`
		Error           string `json:"error"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maximumMessage)).Decode(&answer); err != nil {
		return "", fmt.Errorf("negotiating with %s: this is no SignalR server: %w", hub, err)
	}
	if answer.Error != "" {
		return "", fmt.Errorf("negotiating with %s: %s", hub, answer.Error)
	}
	if answer.ConnectionToken == "" {
		return "", fmt.Errorf("negotiating with %s: this is no SignalR server: no connection token in its answer", hub)
	}
	return answer.ConnectionToken, nil
}

// socketAddress is where the connection's WebSocket is.
func socketAddress(hub, token string) (string, error) {
	address, err := url.Parse(hub)
	if err != nil {
		return "", fmt.Errorf("the hub's address: %w", err)
	}
	address.Scheme = strings.Replace(address.Scheme, "http", "ws", 1)
	query := address.Query()
	query.Set("id", token)
	address.RawQuery = query.Encode()
	return address.String(), nil
}

// shakeHands agrees on the JSON protocol and returns what the server sent behind its answer.
func shakeHands(ctx context.Context, socket *websocket.Conn) (rest []byte, err error) {
	request := append([]byte(`{"protocol":"json","version":1}`), recordEnd...)
	if err := socket.Write(ctx, websocket.MessageText, request); err != nil {
		return nil, err
	}
	_, data, err := socket.Read(ctx)
	if err != nil {
		return nil, err
	}
	first, rest, whole := bytes.Cut(data, recordEnd)
	var answer struct {
		Error string `json:"error"`
	}
	if err := json.Unmarshal(first, &answer); err != nil || !whole {
		return nil, errors.New("the server's answer is none")
	}
	if answer.Error != "" {
		return nil, errors.New(answer.Error)
	}
	return rest, nil
}
