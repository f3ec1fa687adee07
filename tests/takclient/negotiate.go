package takclient

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
)

// Negotiation is what a client saw of the way to TAK protocol
// (spec/tak-streaming.md 4).
type Negotiation struct {
	Offers   int       // t-x-takp-v that came; a server sends one
	Offer    *Received // the first of them
	Answer   *Received // the t-x-takp-r to our -q
	Granted  bool      // the answer says true: both directions are protobuf since
	XMLAfter bool      // an event in XML came after that
}

// Negotiation says how far it has come.
func (c *Client) Negotiation() Negotiation {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.neg
}

// takControl is the detail of the negotiation's messages.
type takControl struct {
	Support []struct {
		Version string `xml:"version,attr"`
	} `xml:"detail>TakControl>TakProtocolSupport"`
	Response struct {
		Status string `xml:"status,attr"`
	} `xml:"detail>TakControl>TakResponse"`
}

func (c *takControl) offers(version string) bool {
	for _, s := range c.Support {
		if s.Version == version {
			return true
		}
	}
	return false
}

// Errors of Negotiate.
var (
	ErrNotOffered = errors.New("the server does not offer TAK protocol version 1")
	ErrRefused    = errors.New("the server refused TAK protocol version 1")
)

// Negotiate goes to TAK protocol as ATAK does: it waits for the server's offer,
// asks with the offer's uid, sends nothing until the answer has come, and
// speaks protobuf after it. Other sends wait meanwhile.
func (c *Client) Negotiate(ctx context.Context) error {
	c.writeMu.Lock()
	defer c.writeMu.Unlock()
	if c.proto.Load() {
		return errors.New("negotiate: the connection speaks TAK protocol already")
	}
	var offer *Received
	if err := c.wait(ctx, func() bool { offer = c.neg.Offer; return offer != nil }); err != nil {
		return fmt.Errorf("wait for the server's offer (t-x-takp-v): %w", err)
	}
	var control takControl
	if err := xml.Unmarshal([]byte(offer.XML), &control); err != nil {
		return fmt.Errorf("read the server's offer: %w", err)
	}
	if !control.offers("1") {
		return fmt.Errorf("%w: %s", ErrNotOffered, clip(offer.XML, 500))
	}
	c.mu.Lock()
	c.asked = true
	c.mu.Unlock()
	ask := Event{UID: offer.Header.UID, Type: typeAsk, How: "m-g", Detail: `<TakControl><TakRequest version="1"/></TakControl>`}
	if err := c.write([]byte(ask.XML())); err != nil {
		return fmt.Errorf("ask for TAK protocol: %w", err)
	}
	var neg Negotiation
	if err := c.wait(ctx, func() bool { neg = c.neg; return neg.Answer != nil }); err != nil {
		return fmt.Errorf("wait for the server's answer (t-x-takp-r): %w", err)
	}
	if !neg.Granted {
		return fmt.Errorf("%w: %s", ErrRefused, clip(neg.Answer.XML, 500))
	}
	return nil
}

// negotiation follows the server's part. It runs in the reader, because the
// first byte after a granting answer is protobuf already.
func (c *Client) negotiation(r *Received) {
	if !strings.HasPrefix(r.Header.Type, "t-x-takp-") {
		return
	}
	var control takControl
	var badAnswer error
	if r.Header.Type == typeAnswer {
		badAnswer = xml.Unmarshal([]byte(r.XML), &control)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch r.Header.Type {
	case typeOffer:
		c.neg.Offers++
		if c.neg.Offer == nil {
			c.neg.Offer = r
		} else {
			c.addFault(errors.New("TAK protocol was offered more than once"))
		}
	case typeAnswer:
		if !c.asked || c.neg.Answer != nil {
			return
		}
		c.neg.Answer = r
		if badAnswer == nil && control.Response.Status == "true" {
			c.neg.Granted = true
			c.proto.Store(true)
		}
	}
	c.wake()
}
