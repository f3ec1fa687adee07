package main

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/takhost/takhost/sdk"
)

// params are the parameters of a request, in its query or its form. Their names
// count in any of the ways in which clients write them: CreatorUid, creatorUid,
// creatoruid (spec/tak-marti.md 7).
type params struct {
	query, form sdk.Fields
}

func paramsOf(r *sdk.Request) params { return params{r.Query(), r.Form()} }

// spellings gives the ways to write a name that is given in camel case.
func spellings(name string) []string {
	lower := strings.ToLower(name)
	list := []string{name, lower, strings.ToUpper(name), strings.ToUpper(name[:1]) + name[1:], strings.ToUpper(name[:1]) + lower[1:]}
	if cut, ok := strings.CutSuffix(name, "Uid"); ok {
		list = append(list, cut+"UID", strings.ToUpper(cut[:1])+cut[1:]+"UID")
	}
	if name == "mimeType" {
		list = append(list, "MIMEType", "MimeType")
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// all gives the values of all names together. Those with commas are lists.
func (p params) all(names ...string) (list []string) {
	for _, name := range names {
		for _, s := range spellings(name) {
			for _, from := range [...]sdk.Fields{p.query, p.form} {
				for _, v := range from.Texts(s) {
					for one := range strings.SplitSeq(v, ",") {
						if one = strings.TrimSpace(one); one != "" && !slices.Contains(list, one) {
							list = append(list, one)
						}
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
		for _, s := range spellings(name) {
			for _, from := range [...]sdk.Fields{p.query, p.form} {
				if v := strings.TrimSpace(from.TextOr(s, "")); v != "" {
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
		for _, s := range spellings(name) {
			for _, from := range [...]sdk.Fields{p.query, p.form} {
				if from.Has(s) {
					return from.TimeOr(s, time.Time{})
				}
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

// Bounds of what is kept of one file.
const (
	maxText    = 255          // bytes of a name, a uid, a keyword
	maxRemarks = 8 << 10      // bytes
	maxList    = 100          // keywords, groups, contacts
	maxExpiry  = 253402300799 // the end of the year 9999, in seconds since 1970
)
