package admin

import (
	"context"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/core/web"
)

// AuditEntry is one line of the audit: who did what, when, and whether it was
// let happen.
type AuditEntry struct {
	ID      string    `json:"id"`
	At      time.Time `json:"at"`
	User    string    `json:"user,omitempty" doc:"Who did it; none: nobody who was logged in" example:"ann"`
	Addr    string    `json:"addr,omitempty" doc:"Where from" example:"192.0.2.7"`
	Via     string    `json:"via,omitempty" doc:"Listener or other way it came by" example:"web"`
	Action  string    `json:"action" example:"user.add"`
	Subject string    `json:"subject,omitempty" doc:"What it was done to" example:"ben"`
	Detail  string    `json:"detail,omitempty"`
	OK      bool      `json:"ok" doc:"false: it was refused, or failed"`
}

// AuditPage is a page of the audit.
type AuditPage struct {
	Entries []AuditEntry `json:"entries" nullable:"false"`
	Next    string       `json:"next,omitempty" doc:"Give it as after for the next page; absent on the last one"`
}

type auditInput struct {
	User    string `query:"user" doc:"Done by this user"`
	Action  string `query:"action" doc:"This action, or with * at the end all that begin so, such as user.*"`
	Subject string `query:"subject" doc:"Done to this"`
	From    string `query:"from" doc:"At this time or later: RFC 3339, or how long ago, such as 15m, 2h or 7d"`
	To      string `query:"to" doc:"Before this time, in the same forms"`
	Order   string `query:"order" enum:"desc,asc" default:"desc" doc:"desc: newest first"`
	web.Paging
}

func (r registrar) audit() {
	huma.Register(r.api, admins(r.op("GET", "/audit", "audit", "audit", "Who did what",
		"Changes of users, groups, certificates and listeners, logins and those that were refused. Newest first unless order says otherwise.", away)),
		func(ctx context.Context, in *auditInput) (*Answer[AuditPage], error) {
			q, err := in.query(r.d.now())
			if err != nil {
				return nil, problemOf(err)
			}
			if u, ok := r.d.Identity.User(q.User); ok {
				q.User = u.Name // in whatever case it was asked for
			}
			found, err := r.d.Identity.AuditLog(ctx, q)
			out := AuditPage{Entries: []AuditEntry{}, Next: found.Next}
			for _, e := range found.Entries {
				out.Entries = append(out.Entries, AuditEntry{
					strconv.FormatInt(e.ID, 10), e.At, e.User, e.Addr, e.Via, e.Action, e.Subject, e.Detail, e.OK,
				})
			}
			return answer(out, err)
		})
}

func (in *auditInput) query(now time.Time) (store.AuditQuery, error) {
	q := store.AuditQuery{User: in.User, Action: in.Action, Subject: in.Subject, Oldest: in.Order == "asc", Limit: in.Limit, After: in.After}
	for _, t := range []struct {
		name, text string
		to         *time.Time
	}{{"from", in.From, &q.From}, {"to", in.To, &q.To}} {
		if t.text == "" {
			continue
		}
		at, err := web.ParseWhen(t.text, now)
		if err != nil {
			return q, invalidf("query.%s: %s", t.name, err)
		}
		*t.to = at
	}
	return q, nil
}
