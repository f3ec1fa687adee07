package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"syscall"

	"github.com/takhost/takhost/core/web"
)

type eventsTailCmd struct {
	sourceFlags
	filterFlags
	JSON bool `help:"Write one JSON object a line."`
}

// Run shows events until it is interrupted.
func (c *eventsTailCmd) Run(ctx context.Context, std streams) error {
	if _, err := web.NewFilter(c.UID, c.Type, c.Box); err != nil {
		return usagef("--%w", err)
	}
	a, err := c.admin()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	body, err := a.open(ctx, "/api/v1/events/live", c.query())
	if err == nil {
		defer body.Close()
		err = c.show(body, std)
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// show writes what comes until it ends, which it does only when the server
// does.
func (c *eventsTailCmd) show(body io.Reader, std streams) error {
	in := bufio.NewReader(body)
	for {
		m, err := readMessage(in)
		if err != nil {
			return fmt.Errorf("the server ended the events: it has stopped or was started anew (%w)", err)
		}
		switch m.event {
		case "":
			if err := c.write(std.out, m.data); err != nil {
				return err
			}
		case "lagging":
			var lag struct {
				Missed uint64 `json:"missed"`
			}
			if err := json.Unmarshal(m.data, &lag); err != nil {
				return fmt.Errorf("read a message of the server: %w", err)
			}
			fmt.Fprintf(std.err, "takhost: %d events are missing here: they came faster than they could be shown\n", lag.Missed)
		}
	}
}

func (c *eventsTailCmd) write(out io.Writer, data []byte) error {
	if c.JSON {
		_, err := out.Write(append(data, '\n'))
		return err
	}
	var e web.Event
	if err := json.Unmarshal(data, &e); err != nil {
		return fmt.Errorf("read an event of the server: %w", err)
	}
	return writeLine(out, &e, timeOnly)
}

// message is a server-sent event.
type message struct {
	event string
	data  []byte
}

// readMessage reads up to the end of the next message that has data.
func readMessage(in *bufio.Reader) (m message, err error) {
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return m, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			if m.data != nil {
				return m, nil
			}
			m = message{}
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "event":
			m.event = string(value)
		case "data":
			m.data = value // the server writes one line of data
		}
	}
}
