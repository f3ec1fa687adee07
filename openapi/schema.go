package openapi

import (
	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/hostapi/manifest"
)

// schemaOf turns a schema of a manifest into huma's, field by field: huma's own
// type has no decoder, and drops in silence what it does not know. It is for
// the description alone, as values are checked by the manifest's schema.
// closed says that objects take no other keys than those described.
func schemaOf(s *manifest.Schema, closed bool) *huma.Schema {
	out := &huma.Schema{
		Type: s.Type, Title: s.Title, Description: s.Doc, Format: s.Format,
		Nullable: s.Nullable && s.Type != "",
		Enum:     s.Enum, Default: s.Default, Required: s.Required,
		Minimum: s.Minimum, Maximum: s.Maximum,
		MinLength: asInt(s.MinLength), MaxLength: asInt(s.MaxLength),
		MinItems: asInt(s.MinItems), MaxItems: asInt(s.MaxItems),
	}
	if s.Pattern != nil {
		out.Pattern = s.Pattern.String()
	}
	if list, ok := s.Raw()["examples"].([]any); ok {
		out.Examples = list
	}
	if s.Items != nil {
		out.Items = schemaOf(s.Items, closed)
	}
	if len(s.Properties) > 0 {
		out.Properties = make(map[string]*huma.Schema, len(s.Properties))
		for name, p := range s.Properties {
			out.Properties[name] = schemaOf(p, closed)
		}
	}
	if s.Type == "object" && (s.Open || !closed) {
		out.AdditionalProperties = true
	}
	return out
}

func asInt(n *int64) *int {
	if n == nil {
		return nil
	}
	v := int(*n)
	return &v
}
