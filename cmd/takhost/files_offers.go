package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// fileOffer is an offer of a file as /api/v1/files/{id}/offers shows it.
type fileOffer struct {
	Event     string    `json:"event"` // uid
	By        string    `json:"by"`    // user
	Name      string    `json:"name"`  // as clients see it
	At        time.Time `json:"at"`
	Callsigns []string  `json:"callsigns"`
	UIDs      []string  `json:"uids"`
	Groups    []string  `json:"groups"`
	Waiting   []string  `json:"waiting"`
	Received  []receipt `json:"received"`
	More      int       `json:"more"` // answers that are not kept any more
}

// receipt is what a client answered.
type receipt struct {
	UID      string    `json:"uid"`
	Callsign string    `json:"callsign"`
	User     string    `json:"user"`
	Success  bool      `json:"success"`
	Reason   string    `json:"reason"`
	At       time.Time `json:"at"`
}

type filesOffersCmd struct {
	sourceFlags
	File string `arg:"" help:"Id, SHA-256 or name of the file."`
	JSON bool   `help:"Write JSON."`
}

// Run tells.
func (c *filesOffersCmd) Run(ctx context.Context, std streams) error {
	a, err := c.files()
	if err != nil {
		return err
	}
	f, err := a.one(ctx, c.File)
	if err != nil {
		return err
	}
	var page struct {
		Offers []fileOffer `json:"offers"`
	}
	if err := a.get(ctx, under(filesPath, f.ID, "offers"), nil, &page); err != nil {
		return a.explain(ctx, err)
	}
	if c.JSON {
		return writeJSON(std, page.Offers)
	}
	t := newTable("OFFERED", "BY", "TO", "HAS IT", "FAILED", "WAITS FOR")
	for i := range page.Offers {
		o := &page.Offers[i]
		has, failed := o.answers()
		t.row(local(&o.At), cmp.Or(o.By, "anonymous"), o.to(), strings.Join(has, ", "), strings.Join(failed, ", "), strings.Join(o.Waiting, ", "))
	}
	return t.write(std, "the server has offered this file to nobody: takhost files send "+quoted(c.File)+" --to CALLSIGN"+a.again)
}

// to tells to whom it was made.
func (o *fileOffer) to() string {
	if named := slices.Concat(o.Callsigns, o.UIDs); len(named) > 0 {
		return strings.Join(named, ", ")
	}
	return "all in " + strings.Join(o.Groups, ", ")
}

// answers names those who have the file, and those who say that they failed.
func (o *fileOffer) answers() (has, failed []string) {
	for _, r := range o.Received {
		switch who := cmp.Or(r.Callsign, r.UID); {
		case r.Success:
			has = append(has, who)
		case r.Reason != "":
			failed = append(failed, who+" ("+r.Reason+")")
		default:
			failed = append(failed, who)
		}
	}
	if o.More > 0 {
		has = append(has, fmt.Sprintf("%d older answers", o.More))
	}
	return has, failed
}
