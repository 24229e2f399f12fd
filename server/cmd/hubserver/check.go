package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/pflag"

	"github.com/chatcluster/chatcluster/server/chat/client"
)

// check connects two clients to the hub, lets one speak and waits until the other has heard it: behind a balancer they
// are likely to be on two servers. It tries again until the time is up, so that it may be called while servers start.
func check(ctx context.Context, args []string, stdout io.Writer) error {
	flags := pflag.NewFlagSet("check", pflag.ContinueOnError)
	flags.SetOutput(stdout)
	limit := flags.Duration("timeout", 30*time.Second, "how long to try")
	certificate := flags.String("certificate", "",
		"`file` with the certificate that the server has (PEM): whoever signed it and whatever name the address has, it is trusted")
	if err := flags.Parse(args); errors.Is(err, pflag.ErrHelp) {
		return nil
	} else if err != nil {
		return fmt.Errorf("check: %w", err)
	}
	if flags.NArg() != 1 {
		return errors.New("check: give it the address of a hub, such as http://localhost:5000/chatHub")
	}
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	begin := time.Now()
	heard, err := checkUntil(ctx, flags.Arg(0), *certificate)
	if err != nil {
		return fmt.Errorf("check: no message came through in %v: %w", *limit, err)
	}
	_, err = fmt.Fprintf(stdout, "a message came through %s in %v, sent by way of %s\n",
		flags.Arg(0), time.Since(begin).Round(time.Millisecond), heard.Server)
	return err
}

// checkUntil repeats the check until it succeeds or ctx ends; then it returns the last error that says something.
func checkUntil(ctx context.Context, hub, certificate string) (heard client.Message, err error) {
	for {
		heard, attempt := checkOnce(ctx, hub, certificate)
		if attempt == nil {
			return heard, nil
		}
		if err == nil || ctx.Err() == nil {
			err = attempt
		}
		select {
		case <-ctx.Done():
			return heard, err
		case <-time.After(time.Second):
		}
	}
}

func checkOnce(ctx context.Context, hub, certificate string) (client.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	requests, err := requestsTo(certificate)
	if err != nil {
		return client.Message{}, err
	}
	word := "check " + rand.Text()
	heard := make(chan client.Message, 1)
	listener, err := client.Dial(ctx, hub, client.Options{HTTP: requests, OnMessage: func(message client.Message) {
		if message.Text == word {
			select {
			case heard <- message:
			default:
			}
		}
	}})
	if err != nil {
		return client.Message{}, err
	}
	defer listener.Close()
	speaker, err := client.Dial(ctx, hub, client.Options{HTTP: requests})
	if err != nil {
		return client.Message{}, err
	}
	defer speaker.Close()
	if err := speaker.Send(ctx, "hubserver check", word); err != nil {
		return client.Message{}, fmt.Errorf("sending: %w", err)
	}
	select {
	case message := <-heard:
		return message, nil
	case <-listener.Done():
		return client.Message{}, listener.Err()
	case <-ctx.Done():
		return client.Message{}, errors.New("it was sent, but did not arrive at another client")
	}
}
