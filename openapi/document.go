package openapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"
)

// Document is the description of a generation in the forms that tools read.
type Document struct {
	json   []byte // OpenAPI 3.1
	yaml   func() ([]byte, error)
	json30 func() ([]byte, error)
	yaml30 func() ([]byte, error)
}

// JSON gives it as OpenAPI 3.1. The caller must not change it.
func (d *Document) JSON() []byte { return d.json }

// YAML gives it as OpenAPI 3.1.
func (d *Document) YAML() ([]byte, error) { return d.yaml() }

// JSON30 gives it as OpenAPI 3.0, for tools that know no later one.
func (d *Document) JSON30() ([]byte, error) { return d.json30() }

// YAML30 gives it as OpenAPI 3.0.
func (d *Document) YAML30() ([]byte, error) { return d.yaml30() }

// Indented gives JSON in a form for people and for diffs.
func (d *Document) Indented() ([]byte, error) {
	var b bytes.Buffer
	if err := json.Indent(&b, d.json, "", "  "); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// document writes the description. The forms other than JSON are made from its
// bytes when somebody asks, as most generations are gone before that.
func (b *builder) document() (*Document, error) {
	var text []byte
	err := caught(func() (err error) {
		text, err = json.Marshal(b.api.OpenAPI())
		return err
	})
	if err != nil {
		for _, o := range b.operations {
			fault := caughtFor(o.plugin, o.route, func() error {
				_, err := json.Marshal(o.op)
				return err
			})
			if fault != nil {
				return nil, fault
			}
		}
		return nil, fmt.Errorf("write the description: %w", err)
	}
	return newDocument(text), nil
}

func newDocument(text []byte) *Document {
	d := &Document{json: text}
	d.json30 = sync.OnceValues(func() (out []byte, err error) {
		err = caught(func() error {
			out, err = downgrade(text)
			return err
		})
		return out, err
	})
	d.yaml = sync.OnceValues(func() ([]byte, error) { return asYAML(text) })
	d.yaml30 = sync.OnceValues(func() ([]byte, error) {
		older, err := d.json30()
		if err != nil {
			return nil, err
		}
		return asYAML(older)
	})
	return d
}
