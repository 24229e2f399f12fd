package main

import (
	"context"
	"time"

	"github.com/chatcluster/chatcluster/server/signalr"
)

// Ask calls Ask on a client and returns what it answers.
func (*Hub) Ask(ctx *signalr.Context, connectionID, question string) (answer *string, err error) {
	err = ctx.Clients().Client(connectionID).Invoke(ctx, &answer, "Ask", question)
	return answer, err
}

// AskWithin is Ask with a time limit, after which it returns "timed out".
func (*Hub) AskWithin(ctx *signalr.Context, connectionID, question string, milliseconds int32) (answer *string, err error) {
	limited, cancel := context.WithTimeout(ctx, time.Duration(milliseconds)*time.Millisecond)
	defer cancel()
	err = ctx.Clients().Client(connectionID).Invoke(limited, &answer, "Ask", question)
	if limited.Err() != nil {
		late := "timed out"
		return &late, nil
	}
	return answer, err
}
