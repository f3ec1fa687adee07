package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// offerFlags say to whom a file is offered.
type offerFlags struct {
	To    []string `placeholder:"CALLSIGN" sep:"none" help:"Offer it to this callsign. May be given several times."`
	UID   []string `name:"uid" placeholder:"UID" sep:"none" help:"Offer it to the client with this UID. May be given several times."`
	Group []string `placeholder:"NAME" sep:"none" help:"Offer it to this group alone, or to those of the named who are in it. May be given several times."`
	All   bool     `help:"Offer it to everybody who may have it."`
	Wait  bool     `help:"Offer it to those of the named who are not connected when they come, within a day."`
}

func (f *offerFlags) check() error {
	if f.Wait && len(f.To)+len(f.UID) == 0 {
		return usagef("waiting is for those who are named, by callsign or UID")
	}
	return nil
}

func (f *offerFlags) wanted() bool { return len(f.To)+len(f.UID)+len(f.Group) > 0 || f.All }

// offerInput is the body of an offer.
type offerInput struct {
	Callsigns []string `json:"callsigns,omitempty"`
	UIDs      []string `json:"uids,omitempty"`
	Groups    []string `json:"groups,omitempty"`
	All       bool     `json:"all,omitempty"`
	Wait      bool     `json:"wait,omitempty"`
}

// offered is what became of an offer.
type offered struct {
	Event   string   `json:"event"`   // uid
	Missing []string `json:"missing"` // who is not connected
	Waiting []string `json:"waiting"` // those of them who get it when they come

	to offerFlags
}

type filesSendCmd struct {
	sourceFlags
	offerFlags
	File string `arg:"" help:"Id, SHA-256 or name of the file."`
	JSON bool   `help:"Write JSON."`
}

// Run sends.
func (c *filesSendCmd) Run(ctx context.Context, std streams) error {
	if !c.wanted() {
		return usagef("say who is to get it: --to CALLSIGN, --uid UID, --group NAME or --all (takhost status --clients%s shows who is connected)", c.again())
	}
	if err := c.check(); err != nil {
		return err
	}
	a, err := c.files()
	if err != nil {
		return err
	}
	f, err := a.one(ctx, c.File) // who may have it counts too
	if err != nil {
		return err
	}
	o, err := a.offer(ctx, f.ID, c.offerFlags)
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(std, o)
	}
	return o.tell(std, f)
}

// offer has the server offer a file.
func (a *files) offer(ctx context.Context, id string, to offerFlags) (*offered, error) {
	o := &offered{to: to}
	err := a.ask(ctx, http.MethodPost, under(filesPath, id, "send"), offerInput{to.To, to.UID, to.Group, to.All, to.Wait}, o)
	if err = a.explain(ctx, err); isMissing(err) {
		err = fmt.Errorf("%w (takhost status --clients%s shows who is)", err, a.again)
	}
	if err != nil {
		return nil, err
	}
	return o, nil
}

// tell says who is offered the file and who is not. Clients fetch it by themselves:
// takhost files offers tells who has it.
func (o *offered) tell(std streams, f *sharedFile) error {
	isAway := func(who string) bool { return slices.Contains(o.Missing, who) }
	named := slices.Concat(o.to.To, o.to.UID)
	to, groups := strings.Join(slices.DeleteFunc(slices.Clone(named), isAway), ", "), strings.Join(o.to.Group, ", ")
	var lines []string
	switch {
	case len(named) == 0 && groups == "":
		lines = append(lines, "offered to everybody who may have it")
	case len(named) == 0:
		lines = append(lines, "offered to all in "+groups)
	case to != "" && groups != "":
		lines = append(lines, "offered to "+to+" in "+groups)
	case to != "":
		lines = append(lines, "offered to "+to)
	}
	if away := slices.DeleteFunc(slices.Clone(o.Missing), func(who string) bool { return slices.Contains(o.Waiting, who) }); len(away) > 0 {
		lines = append(lines, "not connected: "+strings.Join(away, ", "))
	}
	if len(o.Waiting) > 0 {
		lines = append(lines, "not connected, so offered when they come: "+strings.Join(o.Waiting, ", "))
	}
	return said(std, "%s: %s", f.Name, strings.Join(lines, "\n"))
}
