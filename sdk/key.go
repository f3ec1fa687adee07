package sdk

import (
	"time"

	"github.com/takhost/takhost/hostapi/index"
	"github.com/takhost/takhost/hostapi/wire"
)

// Value is one value of an index.
type Value = index.Value

// Text makes a value of the kind "string" of an index, and Bool and the others
// those of their names.
func Text(s string) Value { return index.String(s) }

// Int makes a value of the kind "int".
func Int(v int64) Value { return index.Int(v) }

// Float makes a value of the kind "float". NaN is refused when it is used.
func Float(v float64) Value { return index.Float(v) }

// Bool makes a value of the kind "bool".
func Bool(v bool) Value { return index.Bool(v) }

// Bytes makes a value of the kind "bytes".
func Bytes(b []byte) Value { return index.Bytes(b) }

// At makes a value of the kind "time", cut to the microsecond.
func At(t time.Time) Value { return index.Time(t) }

// AtMicros makes a value of the kind "time" from microseconds since 1970, as
// events and documents have them.
func AtMicros(us int64) Value { return index.Micros(us) }

// Key says by which values an index finds a document.
type Key struct {
	Index  string
	Values []Value
}

// NewKey makes a key: one to four values, of the kinds that the manifest gives the
// index, in their order.
func NewKey(index string, values ...Value) Key { return Key{index, values} }

func (k *Key) encode() (wire.IndexKey, error) {
	b, err := index.AppendTuple(make([]byte, 0, 32), k.Values...)
	if err != nil {
		return wire.IndexKey{}, &Error{Status: Invalid, Message: "index " + k.Index + ": " + err.Error()}
	}
	return wire.IndexKey{Index: k.Index, Key: b}, nil
}

// KeyValues gives the values of the key by which a query found a document.
func KeyValues(d *Document) ([]Value, error) {
	v, err := index.Tuple(d.Key)
	if err != nil {
		return nil, &Error{Status: Invalid, Message: "document " + d.ID + ": " + err.Error()}
	}
	return v, nil
}
