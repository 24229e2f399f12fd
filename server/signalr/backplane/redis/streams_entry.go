package redis

import (
	"strconv"

	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/stream"
)

// The fields of a stream entry, in this order. Redis stores the names of equal fields once for many entries.
const (
	publisherField = "from"
	numberField    = "number"
	channelField   = "to"
	payloadField   = "data"
)

// streamEntry is one entry as it is read.
type streamEntry struct {
	origin  stream.Origin
	channel string
	payload string
}

func streamFields(publisher string, item *stream.Item) []any {
	return []any{publisherField, publisher, numberField, item.Number(), channelField, item.Channel, payloadField, item.Payload}
}

// parseEntry reports false for what this package did not write.
func parseEntry(fields map[string]any) (entry streamEntry, ok bool) {
	publisher, hasPublisher := fields[publisherField].(string)
	text, hasNumber := fields[numberField].(string)
	channel, hasChannel := fields[channelField].(string)
	payload, hasPayload := fields[payloadField].(string)
	number, err := strconv.ParseUint(text, 10, 64)
	if !hasPublisher || !hasNumber || !hasChannel || !hasPayload || err != nil || number == 0 {
		return streamEntry{}, false
	}
	return streamEntry{stream.Origin{Publisher: publisher, Number: number}, channel, payload}, true
}
