package main

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/takhost/takhost/sdk"
)

// params are the parameters of a request, in its query or its form. Their names
// count in any case: CreatorUid, creatorUid, creatoruid (spec/tak-marti.md 7).
type params struct {
	query, form sdk.Fields
}

func paramsOf(r *sdk.Request) params { return params{r.Query().AnyCase(), r.Form().AnyCase()} }

// has says whether one of these is there, be it empty.
func (p params) has(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return p.query.Has(name) || p.form.Has(name) })
}

// all gives the values of all names together. Those with commas are lists.
func (p params) all(names ...string) (list []string) {
	for _, name := range names {
		for _, from := range [...]sdk.Fields{p.query, p.form} {
			for _, v := range from.Texts(name) {
				for one := range strings.SplitSeq(v, ",") {
					if one = strings.TrimSpace(one); one != "" && len(list) <= maxList && !slices.Contains(list, one) {
						list = append(list, one)
					}
				}
			}
		}
	}
	return list
}

// text gives the first value that is not empty.
func (p params) text(names ...string) string {
	for _, name := range names {
		for _, from := range [...]sdk.Fields{p.query, p.form} {
			for _, v := range from.Texts(name) {
				if v = strings.TrimSpace(v); v != "" {
					return v
				}
			}
		}
	}
	return ""
}

// bounded is text for what is kept.
func (p params) bounded(most int, names ...string) string {
	v := p.text(names...)
	if len(v) > most {
		p.query.Faultf(names[0], "has %d bytes, at most %d are possible", len(v), most)
		return ""
	}
	return v
}

// list is all for what is kept.
func (p params) list(names ...string) []string {
	l := p.all(names...)
	if len(l) > maxList || slices.ContainsFunc(l, func(s string) bool { return len(s) > maxText }) {
		p.query.Faultf(names[0], "is a list of more than %d texts, or has one of more than %d bytes", maxList, maxText)
		return nil
	}
	return l
}

// number reads a number between two, if there is one.
func (p params) number(low, high float64, names ...string) (v float64, ok bool) {
	s := p.text(names...)
	if s == "" {
		return 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v >= low && v <= high) { // NaN is neither
		p.query.Faultf(names[0], "%q is no number between %v and %v", clip(s, 64), low, high)
		return 0, false
	}
	return v, true
}

// whole reads a number of bytes, if there is one.
func (p params) whole(name string) (n int64, ok bool) {
	s := p.text(name)
	if s == "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		p.query.Faultf(name, "%q is no number of bytes", clip(s, 64))
		return 0, false
	}
	return n, true
}

// numbers reads a list of numbers with commas, if there is one.
func (p params) numbers(names ...string) (list []float64, ok bool) {
	s := p.text(names...)
	if s == "" {
		return nil, false
	}
	for one := range strings.SplitSeq(clip(s, maxText), ",") {
		v, err := strconv.ParseFloat(strings.TrimSpace(one), 64)
		if err != nil {
			return nil, true
		}
		list = append(list, v)
	}
	return list, true
}

// moment reads a time, if there is one.
func (p params) moment(names ...string) time.Time {
	for _, name := range names {
		for _, from := range [...]sdk.Fields{p.query, p.form} {
			if t := from.TimeOr(name, time.Time{}); !t.IsZero() {
				return t
			}
		}
	}
	return time.Time{}
}

// expiry reads when a file ends: in seconds since 1970, zero and below is never.
func (p params) expiry(now time.Time, text string) time.Time {
	if text == "" {
		return time.Time{}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil || n > maxExpiry:
		p.query.Faultf("expiration", "%q is no time in seconds since 1970", clip(text, 64))
	case n <= 0:
	case n <= now.Unix():
		p.query.Faultf("expiration", "%s has passed: it is a time in seconds since 1970", text)
	default:
		return time.Unix(n, 0).UTC()
	}
	return time.Time{}
}
