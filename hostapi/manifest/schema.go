package manifest

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// Schema is a JSON Schema, of the keywords that the host understands; others
// are refused rather than ignored. There is no $ref: a schema is written out.
// Other than in JSON Schema, an object accepts keys that are not described only
// if additionalProperties says true.
type Schema struct {
	Type       string // object, array, string, number, integer, boolean; empty: any
	Nullable   bool   // null too: "type" is a list with "null" in it
	Title      string
	Doc        string // description
	Format     string
	Properties map[string]*Schema
	Required   []string
	Open       bool // additionalProperties
	Secret     bool // the value is kept out of logs and answers
	Items      *Schema
	Enum       []any
	Default    any
	Pattern    *regexp.Regexp

	Minimum, Maximum     *float64
	MinLength, MaxLength *int64 // in characters
	MinItems, MaxItems   *int64

	raw map[string]any
}

// Raw gives the schema as it was written, for the API description. The caller
// must not change it.
func (s *Schema) Raw() map[string]any { return s.raw }

var schemaTypes = []string{"object", "array", "string", "number", "integer", "boolean"}

// schemaKeys are the keywords, with the type each is for.
var schemaKeys = []struct{ key, forType string }{
	{"type", ""}, {"title", ""}, {"description", ""}, {"enum", ""}, {"default", ""}, {"format", ""}, {"examples", ""}, {"secret", ""},
	{"properties", "object"}, {"required", "object"}, {"additionalProperties", "object"},
	{"items", "array"}, {"minItems", "array"}, {"maxItems", "array"},
	{"pattern", "string"}, {"minLength", "string"}, {"maxLength", "string"},
	{"minimum", "number"}, {"maximum", "number"},
}

func (s *Schema) decode(f *faults, path string, v any) { s.read(f, path, v, 0) }

func (s *Schema) read(f *faults, path string, v any, depth int) {
	m, ok := v.(map[string]any)
	if !ok {
		f.add(path, "is %s: write a JSON Schema", kindOf(v))
		return
	}
	if depth > 16 {
		f.add(path, "is nested too deep")
		return
	}
	s.raw = m
	s.readType(f, join(path, "type"), m["type"])
	var known []string
	for _, k := range schemaKeys {
		known = append(known, k.key)
	}
	for _, key := range sorted(m) {
		at := join(path, clip(key))
		i := slices.Index(known, key)
		switch {
		case key == "$ref" || key == "$defs":
			f.add(at, "is not supported: write the schema out where it is used")
		case i < 0:
			f.add(at, "is no keyword that is supported%s", nearest(key, known))
		case schemaKeys[i].forType != "" && !s.is(schemaKeys[i].forType):
			f.add(at, "needs type %q", schemaKeys[i].forType)
		default:
			s.keyword(f, at, key, m[key], depth)
		}
	}
	for _, name := range s.Required {
		if s.Properties[name] == nil {
			f.add(join(path, "required"), "%s is not among the properties", show(name))
		}
	}
	if s.Default != nil {
		for _, fault := range s.faults("", s.Default) {
			f.add(join(path, "default"), "%s", strings.TrimPrefix(fault.String(), "."))
		}
	}
}

func (s *Schema) is(kind string) bool {
	return s.Type == kind || s.Type == "integer" && kind == "number"
}

func (s *Schema) readType(f *faults, path string, v any) {
	switch v := v.(type) {
	case nil:
		return
	case string:
		s.Type = v
	case []any:
		for _, x := range v {
			switch name, ok := x.(string); {
			case ok && name == "null":
				s.Nullable = true
			case ok && s.Type == "":
				s.Type = name
			default:
				f.add(path, "is a list: only one type, with \"null\" beside it, is supported")
				return
			}
		}
	default:
		f.add(path, "is %s: write one of %s", kindOf(v), strings.Join(schemaTypes, ", "))
		return
	}
	if !slices.Contains(schemaTypes, s.Type) {
		f.add(path, "%s is no type%s", show(s.Type), enumHelp(s.Type, schemaTypes))
	}
}

func (s *Schema) keyword(f *faults, path, key string, v any, depth int) {
	read := func(to any) { decode(f, path, v, reflect.ValueOf(to).Elem(), field{}) }
	switch key {
	case "title":
		read(&s.Title)
	case "description":
		read(&s.Doc)
	case "format":
		read(&s.Format)
	case "required":
		read(&s.Required)
	case "additionalProperties":
		read(&s.Open)
	case "secret":
		read(&s.Secret)
	case "minLength":
		s.MinLength = count(f, path, v)
	case "maxLength":
		s.MaxLength = count(f, path, v)
	case "minItems":
		s.MinItems = count(f, path, v)
	case "maxItems":
		s.MaxItems = count(f, path, v)
	case "minimum", "maximum":
		n, ok := real(v)
		switch {
		case !ok:
			f.add(path, "is %s: write a number", kindOf(v))
		case key == "minimum":
			s.Minimum = &n
		default:
			s.Maximum = &n
		}
	case "pattern":
		text := ""
		read(&text)
		p, err := regexp.Compile(text)
		if err != nil {
			f.add(path, "%s is no regular expression: %v", show(text), err)
		}
		s.Pattern = p
	case "enum":
		l, ok := v.([]any)
		if !ok || len(l) == 0 {
			f.add(path, "is %s: write a list of values", kindOf(v))
		}
		s.Enum = l
	case "default":
		s.Default = v
	case "items":
		s.Items = &Schema{}
		s.Items.read(f, path, v, depth+1)
	case "properties":
		m, ok := v.(map[string]any)
		if !ok {
			f.add(path, "is %s: write an object with a schema for each key", kindOf(v))
		}
		s.Properties = map[string]*Schema{}
		for _, name := range sorted(m) {
			p := &Schema{}
			p.read(f, join(path, clip(name)), m[name], depth+1)
			s.Properties[name] = p
		}
	}
}

func count(f *faults, path string, v any) *int64 {
	n, ok := whole(v)
	if !ok || n < 0 {
		f.add(path, "is %s: write a whole number", kindOf(v))
		return nil
	}
	return &n
}

func (*Schema) jsonSchema() map[string]any {
	return map[string]any{"$ref": "#/$defs/schema"}
}

// schemaSchema is what a Schema may be.
func schemaSchema() map[string]any {
	text, number := map[string]any{"type": "string"}, map[string]any{"type": "number"}
	size := map[string]any{"type": "integer", "minimum": 0}
	self := map[string]any{"$ref": "#/$defs/schema"}
	return map[string]any{"type": "object", "additionalProperties": false, "properties": map[string]any{
		"type": map[string]any{"anyOf": []any{
			map[string]any{"enum": schemaTypes},
			map[string]any{"type": "array", "items": map[string]any{"enum": append(slices.Clone(schemaTypes), "null")}, "maxItems": 2},
		}},
		"title": text, "description": text, "format": text, "pattern": text,
		"enum": map[string]any{"type": "array", "minItems": 1}, "default": map[string]any{}, "examples": map[string]any{"type": "array"},
		"secret":     map[string]any{"type": "boolean", "description": "the value is kept out of logs and answers"},
		"properties": map[string]any{"type": "object", "additionalProperties": self},
		"required":   map[string]any{"type": "array", "items": text}, "additionalProperties": map[string]any{"type": "boolean"},
		"items": self, "minItems": size, "maxItems": size, "minLength": size, "maxLength": size,
		"minimum": number, "maximum": number,
	}}
}
