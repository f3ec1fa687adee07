package manifest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
)

// JSONSchema gives the JSON Schema of manifests, as plugin.schema.json has it.
// It catches less than Parse does: nothing that concerns more than one key.
func JSONSchema() ([]byte, error) {
	s := objectSchema(reflect.TypeFor[Manifest]())
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "takhost plugin manifest, plugin contract tak/1"
	s["$defs"] = map[string]any{"schema": schemaSchema()}
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write schema: %w", err)
	}
	return append(b, '\n'), nil
}

func objectSchema(t reflect.Type) map[string]any {
	props := map[string]any{}
	need := []string{}
	for _, f := range fields(t) {
		p := typeSchema(t.Field(f.index).Type)
		if f.doc != "" {
			p["description"] = f.doc
		}
		if f.enum != nil {
			p["enum"] = f.enum
		}
		if f.low != nil {
			p["minimum"] = *f.low
		}
		if f.high != nil {
			p["maximum"] = *f.high
		}
		switch n, err := strconv.ParseInt(f.def, 10, 64); {
		case f.def == "":
		case err == nil && p["type"] == "integer":
			p["default"] = n
		default:
			p["default"] = f.def
		}
		if f.need {
			need = append(need, f.key)
			if p["type"] == "array" {
				p["minItems"] = 1
			}
		}
		props[f.key] = p
	}
	s := map[string]any{"type": "object", "properties": props, "additionalProperties": false}
	if len(need) > 0 {
		s["required"] = need
	}
	return s
}

func typeSchema(t reflect.Type) map[string]any {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if c, ok := reflect.New(t).Interface().(custom); ok {
		return c.jsonSchema()
	}
	switch t.Kind() {
	case reflect.Struct:
		return objectSchema(t)
	case reflect.Slice:
		return map[string]any{"type": "array", "items": typeSchema(t.Elem())}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int64:
		return map[string]any{"type": "integer"}
	}
	return map[string]any{"type": "string"}
}
