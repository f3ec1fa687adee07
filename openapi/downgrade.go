package openapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// downgrade turns OpenAPI 3.1 into 3.0.3. It knows where schemas are, so that a
// property called "type", or a default value that looks like a schema, stays
// as it is.
func downgrade(text []byte) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var doc map[string]any
	if err := dec.Decode(&doc); err != nil {
		return nil, fmt.Errorf("read the description: %w", err)
	}
	doc["openapi"] = "3.0.3"
	downgradeSecurity(doc)
	downgradeValue(doc)
	return json.Marshal(doc)
}

// downgradeSecurity takes out mutual TLS, which 3.0 has no word for. There is
// another way to log in wherever it stands.
func downgradeSecurity(doc map[string]any) {
	components, _ := doc["components"].(map[string]any)
	all, _ := components["securitySchemes"].(map[string]any)
	gone := map[string]bool{}
	for name, v := range all {
		if scheme, _ := v.(map[string]any); scheme["type"] == "mutualTLS" {
			gone[name] = true
			delete(all, name)
		}
	}
	if len(gone) == 0 {
		return
	}
	drop := func(at map[string]any) {
		list, _ := at["security"].([]any)
		if len(list) == 0 {
			return
		}
		at["security"] = slices.DeleteFunc(list, func(v any) bool {
			need, _ := v.(map[string]any)
			for name := range need {
				if gone[name] {
					return true
				}
			}
			return false
		})
	}
	drop(doc)
	paths, _ := doc["paths"].(map[string]any)
	for _, item := range paths {
		operations, _ := item.(map[string]any)
		for _, v := range operations {
			if op, ok := v.(map[string]any); ok {
				drop(op)
			}
		}
	}
}

// Keys under which a schema stands in a document of OpenAPI, and those that
// hold a value as it is.
var (
	schemaAt = map[string]bool{"schema": true}
	valueAt  = map[string]bool{"default": true, "enum": true, "example": true, "examples": true}
	// Maps by names that somebody chose, which are no keys of OpenAPI.
	namesAt = map[string]bool{"responses": true, "headers": true, "content": true, "paths": true}
)

// downgradeValue goes through what is no schema itself.
func downgradeValue(v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, x := range v {
			switch {
			case schemaAt[key]:
				downgradeSchema(x)
			case key == "schemas":
				downgradeSchemas(x)
			case namesAt[key]:
				if m, ok := x.(map[string]any); ok {
					for _, named := range m {
						downgradeValue(named)
					}
				}
			case !valueAt[key]:
				downgradeValue(x)
			}
		}
	case []any:
		for _, x := range v {
			downgradeValue(x)
		}
	}
}

// downgradeSchemas goes through a map of names to schemas.
func downgradeSchemas(v any) {
	if m, ok := v.(map[string]any); ok {
		for _, s := range m {
			downgradeSchema(s)
		}
	}
}

func downgradeSchema(v any) {
	s, ok := v.(map[string]any)
	if !ok {
		return // additionalProperties: true
	}
	if types, ok := s["type"].([]any); ok {
		delete(s, "type")
		for _, t := range types {
			if t == "null" {
				s["nullable"] = true
			} else {
				s["type"] = t
			}
		}
	}
	for _, c := range []struct{ exclusive, bound string }{{"exclusiveMinimum", "minimum"}, {"exclusiveMaximum", "maximum"}} {
		if n, ok := s[c.exclusive].(json.Number); ok {
			s[c.bound], s[c.exclusive] = n, true
		}
	}
	if list, ok := s["examples"].([]any); ok {
		delete(s, "examples")
		if len(list) > 0 {
			s["example"] = list[0]
		}
	}
	if s["contentEncoding"] == "base64" {
		s["format"] = "byte"
	}
	delete(s, "contentEncoding")
	delete(s, "contentMediaType")
	downgradeSchemas(s["properties"])
	downgradeSchema(s["items"])
	downgradeSchema(s["additionalProperties"])
	for _, key := range []string{"anyOf", "oneOf", "allOf"} {
		if list, ok := s[key].([]any); ok {
			for _, x := range list {
				downgradeSchema(x)
			}
		}
	}
	downgradeSchema(s["not"])
	if s["type"] == "array" && s["items"] == nil {
		s["items"] = map[string]any{} // 3.0 asks for it
	}
}
