package onboard

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// PrefsFile is the file of a profile with its Preferences.
const PrefsFile = "preferences.pref"

// Limits of Preferences.
const (
	MostPrefsSize = 1 << 20 // bytes of the file, or of the JSON
	mostPrefs     = 1000
)

// Preferences are those of ATAK itself, by key. Values are string, bool, int64,
// float32 or []string, for sets of texts. An int64 is an Integer to ATAK, or a Long
// if it does not fit into 32 bits. ATAK keeps most numbers that people choose from
// a list or type as texts, and a value of another class than it expects is no good
// to it.
type Preferences map[string]any

// UnmarshalJSON takes an object. A number with a point or an exponent is a
// float32, another one an int64.
func (p *Preferences) UnmarshalJSON(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var raw map[string]any
	if err := dec.Decode(&raw); err != nil {
		return err
	}
	if raw == nil {
		return errors.New("preferences are a JSON object of keys and values")
	}
	out, faults := Preferences{}, []error(nil)
	for _, key := range slices.Sorted(maps.Keys(raw)) {
		v, err := prefOf(raw[key])
		if err != nil {
			faults = append(faults, fmt.Errorf("preference %s: %w", key, err))
		}
		out[key] = v
	}
	*p = out
	return errors.Join(faults...)
}

var errPrefType = errors.New("is none of text, true, false, number, or list of texts")

// prefOf makes a value of what JSON has for it.
func prefOf(v any) (any, error) {
	switch v := v.(type) {
	case string, bool:
		return v, nil
	case json.Number:
		return prefNumber(string(v))
	case []any:
		list := make([]string, len(v))
		for i := range v {
			s, ok := v[i].(string)
			if !ok {
				return nil, errPrefType
			}
			list[i] = s
		}
		return list, nil
	}
	return nil, errPrefType
}

func prefNumber(s string) (any, error) {
	if !strings.ContainsAny(s, ".eE") {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s is too large for any client", s)
		}
		return n, nil
	}
	f, err := strconv.ParseFloat(s, 32)
	if err != nil {
		return nil, fmt.Errorf("%s is too large for any client", s)
	}
	return float32(f), nil
}

// MarshalJSON gives the object that UnmarshalJSON takes.
func (p Preferences) MarshalJSON() ([]byte, error) {
	out := make(map[string]any, len(p))
	for key, v := range p {
		if f, ok := v.(float32); ok {
			text := strconv.FormatFloat(float64(f), 'g', -1, 32)
			if !strings.ContainsAny(text, ".e") {
				text += ".0"
			}
			v = json.Number(text)
		}
		out[key] = v
	}
	return json.Marshal(out)
}

// Bytes gives the file. The same preferences give the same bytes.
func (p Preferences) Bytes() ([]byte, error) {
	if len(p) > mostPrefs {
		return nil, fmt.Errorf("%d preferences, the limit is %d", len(p), mostPrefs)
	}
	b := new(Prefs).Group(AppPrefs)
	for _, key := range slices.Sorted(maps.Keys(p)) {
		v := p[key]
		if n, ok := v.(int64); ok && n == int64(int32(n)) {
			v = int(n)
		}
		if f, ok := v.(float32); ok && (math.IsInf(float64(f), 0) || math.IsNaN(float64(f))) {
			return nil, fmt.Errorf("preference %s: is no number", key)
		}
		b.Set(key, v)
	}
	text, err := b.Bytes()
	if err == nil && len(text) > MostPrefsSize {
		err = fmt.Errorf("the preferences make a file of %d bytes, the limit is %d", len(text), MostPrefsSize)
	}
	return text, err
}

// prefsXML is a file of preferences.
type prefsXML struct {
	XMLName xml.Name `xml:"preferences"`
	Groups  []struct {
		Name    string `xml:"name,attr"`
		Entries []struct {
			Key      string   `xml:"key,attr"`
			Class    string   `xml:"class,attr"`
			Text     string   `xml:",chardata"`
			Elements []string `xml:"element"`
		} `xml:"entry"`
	} `xml:"preference"`
}

// ReadPreferences reads a file of preferences. One that has more to it than
// Preferences can say, as entries for other groups, is an error: whoever changed it
// by them would lose that.
func ReadPreferences(file []byte) (Preferences, error) {
	var x prefsXML
	dec := xml.NewDecoder(bytes.NewReader(file))
	if err := dec.Decode(&x); err != nil {
		return nil, fmt.Errorf("read preferences: %w", err)
	}
	for {
		token, err := dec.Token()
		if err == io.EOF {
			break
		}
		if text, ok := token.(xml.CharData); err != nil || !ok || len(bytes.TrimSpace(text)) > 0 {
			return nil, errors.New("read preferences: something follows them")
		}
	}
	p := Preferences{}
	for _, g := range x.Groups {
		if g.Name != AppPrefs {
			return nil, fmt.Errorf("read preferences: there is a group %.80q beside %s", g.Name, AppPrefs)
		}
		for _, e := range g.Entries {
			v, err := prefFrom(e.Class, e.Text, e.Elements)
			if err != nil {
				return nil, fmt.Errorf("read preferences: %.80q: %w", e.Key, err)
			}
			if _, twice := p[e.Key]; twice {
				return nil, fmt.Errorf("read preferences: %.80q is there twice", e.Key)
			}
			p[e.Key] = v
		}
	}
	return p, nil
}

// prefFrom makes a value of an entry.
func prefFrom(class, text string, elements []string) (any, error) {
	switch class {
	case classString:
		return text, nil
	case classBool:
		return strconv.ParseBool(text)
	case classInt:
		return strconv.ParseInt(text, 10, 32)
	case classLong:
		n, err := strconv.ParseInt(text, 10, 64)
		if err == nil && n == int64(int32(n)) {
			err = errors.New("a Long that would fit into an Integer cannot be told from one")
		}
		return n, err
	case classFloat:
		f, err := strconv.ParseFloat(text, 32)
		return float32(f), err
	case classSet:
		return append([]string{}, elements...), nil
	}
	return nil, fmt.Errorf("values of the %.80q are not known", class)
}
