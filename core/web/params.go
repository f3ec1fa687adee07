package web

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/takhost/takhost/hostapi/manifest"
	"github.com/takhost/takhost/hostapi/wire"
	"github.com/takhost/takhost/openapi"
)

// maxQuery is how many parameters a query may have.
const maxQuery = 1000

// queryPairs reads a query in its order.
func queryPairs(raw string) (pairs []wire.Pair, p *Problem) {
	for raw != "" {
		var part string
		part, raw, _ = strings.Cut(raw, "&")
		if part == "" {
			continue
		}
		if len(pairs) == maxQuery {
			return nil, invalidf("query: more than %d parameters", maxQuery)
		}
		name, value, _ := strings.Cut(part, "=")
		n, err := url.QueryUnescape(name)
		v, err2 := url.QueryUnescape(value)
		if err != nil || err2 != nil || !utf8.ValidString(n) || !utf8.ValidString(v) {
			return nil, invalidf("query: %q is no parameter in UTF-8", clip(part))
		}
		pairs = append(pairs, wire.Pair{Name: n, Value: v})
	}
	return pairs, nil
}

// checkParams holds the parameters of a request against what the route
// declares, and puts defaults in the place of those that are absent. Others than
// the declared ones are let through.
func checkParams(route *openapi.Route, req *wire.HTTPRequest) *Problem {
	var faults []string
	for i := range route.Params {
		m := &route.Params[i]
		to, name := &req.Params, m.Name
		switch m.In {
		case "query":
			to = &req.Query
		case "header":
			to, name = &req.Headers, strings.ToLower(m.Name)
		}
		values := valuesOf(*to, name)
		if len(values) == 0 {
			switch {
			case m.Schema != nil && m.Schema.Default != nil:
				for _, v := range textsOf(m.Schema.Default) {
					*to = append(*to, wire.Pair{Name: name, Value: v})
				}
			case m.Needed:
				faults = append(faults, m.In+"."+m.Name+": is missing"+forPeople(m.Doc))
			}
			continue
		}
		if m.Schema == nil {
			continue
		}
		if _, err := m.Schema.Apply(m.In+"."+m.Name, valueOf(m.Schema, values)); err != nil {
			faults = append(faults, strings.Split(err.Error(), "\n")...)
		}
	}
	return invalid(faults)
}

func forPeople(doc string) string {
	if doc == "" {
		return ""
	}
	return ": " + doc
}

// invalid makes the answer for faults of the input, nil when there are none.
func invalid(faults []string) *Problem {
	if len(faults) == 0 {
		return nil
	}
	p := newProblem(http.StatusBadRequest, strings.Join(faults, "; "))
	if len(faults) > 1 {
		p.Errors = faults
	}
	return p
}

func valuesOf(pairs []wire.Pair, name string) (values []string) {
	for i := range pairs {
		if pairs[i].Name == name {
			values = append(values, pairs[i].Value)
		}
	}
	return values
}

// valueOf gives texts the type that the schema asks for. What cannot be read
// stays a text, which the schema then refuses in its own words.
func valueOf(s *manifest.Schema, values []string) any {
	if s.Type == "array" {
		list := make([]any, len(values))
		for i, v := range values {
			list[i] = v
			if s.Items != nil {
				list[i] = scalar(s.Items, v)
			}
		}
		return list
	}
	// Of several the last one counts, as in a form.
	return scalar(s, values[len(values)-1])
}

func scalar(s *manifest.Schema, text string) any {
	switch s.Type {
	case "integer", "number":
		if n := json.Number(text); json.Valid([]byte(text)) {
			return n
		}
	case "boolean":
		switch text {
		case "true", "1":
			return true
		case "false", "0":
			return false
		}
	}
	return text
}

// textsOf writes a default value of a parameter.
func textsOf(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var list []string
		for _, x := range v {
			list = append(list, textsOf(x)...)
		}
		return list
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return []string{string(b)}
}
