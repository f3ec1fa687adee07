package web

import (
	"context"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/plugin"
)

// DeadLetterPage is a page of the list of what a plugin failed on.
type DeadLetterPage struct {
	DeadLetters []plugin.DeadLetter `json:"dead_letters" nullable:"false"`
	Next        string              `json:"next,omitempty" doc:"Give it as after for the next page; absent on the last one"`
}

// Letter names a dead letter in a path.
type Letter struct {
	Named
	ID int64 `path:"id" minimum:"1" doc:"Id of the dead letter"`
}

func deadLetterOperations(api huma.API, p Plugins, op func(method, path, id, summary, about string, statuses ...int) huma.Operation) {
	const bad, missing = http.StatusBadRequest, http.StatusNotFound
	huma.Register(api, op("GET", "/{name}/dead-letters", "dead-letters", "What the plugin failed on for good", "Newest first.", bad, missing),
		func(ctx context.Context, in *struct {
			Named
			Paging
		}) (*struct{ Body DeadLetterPage }, error) {
			page := DeadLetterPage{DeadLetters: []plugin.DeadLetter{}}
			err := done(p, func() error { return page.fill(ctx, p, in.Name, in.Paging) })
			if err != nil {
				return nil, err
			}
			return &struct{ Body DeadLetterPage }{page}, nil
		})

	huma.Register(api, op("GET", "/{name}/dead-letters/{id}", "dead-letter", "One dead letter", "With the event and what the plugin printed last.", missing),
		func(ctx context.Context, in *Letter) (*struct{ Body plugin.DeadLetter }, error) {
			var d plugin.DeadLetter
			err := done(p, func() (err error) {
				d, err = p.DeadLetter(ctx, in.Name, in.ID)
				return err
			})
			if err != nil {
				return nil, err
			}
			return &struct{ Body plugin.DeadLetter }{d}, nil
		})

	huma.Register(api, op("POST", "/{name}/dead-letters/{id}/retry", "dead-letter-retry", "Give it to the plugin once more",
		"It is gone from the list when the plugin has handled it.", missing),
		func(ctx context.Context, in *Letter) (*struct{}, error) {
			return nil, done(p, func() error { return p.RetryDeadLetter(ctx, in.Name, in.ID) })
		})

	huma.Register(api, op("DELETE", "/{name}/dead-letters/{id}", "dead-letter-remove", "Drop a dead letter", "", missing),
		func(ctx context.Context, in *Letter) (*struct{}, error) {
			return nil, done(p, func() error { return p.RemoveDeadLetter(ctx, in.Name, in.ID) })
		})
}

// fill reads a page.
func (d *DeadLetterPage) fill(ctx context.Context, p Plugins, name string, page Paging) error {
	var after int64
	if page.After != "" {
		n, err := strconv.ParseInt(page.After, 36, 64)
		if err != nil {
			return invalidf("query.after: %q is not what a page gave as next", clip(page.After))
		}
		after = n
	}
	list, err := p.DeadLetters(ctx, name, after, page.Limit)
	if err != nil || len(list) == 0 {
		return err
	}
	d.DeadLetters = append(d.DeadLetters, list...)
	// Large ones make a short page, so only the next page tells whether there is one.
	last := list[len(list)-1].ID
	if list, err = p.DeadLetters(ctx, name, last, 1); len(list) > 0 {
		d.Next = strconv.FormatInt(last, 36)
	}
	return err
}
