package onboard

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"strconv"
)

// AppPrefs is the group of ATAK's own preferences. The app's package has another
// name in each edition of it; all take this one for theirs.
const AppPrefs = "com.atakmap.app_preferences"

// The Java classes of values.
const (
	classString = "class java.lang.String"
	classBool   = "class java.lang.Boolean"
	classInt    = "class java.lang.Integer"
	classLong   = "class java.lang.Long"
	classFloat  = "class java.lang.Float"
	classSet    = "class java.util.HashSet"
)

// Prefs builds a preference file, which ATAK, WinTAK and iTAK import: groups of
// entries, each with the Java class of its value. Faults are told by Bytes.
type Prefs struct {
	groups []prefGroup
	faults []error
}

type prefGroup struct {
	name    string
	entries []prefEntry
}

type prefEntry struct {
	key, class, value string
	elements          []string // of a set, which has no value
}

// Group begins a group; entries that follow belong to it.
func (p *Prefs) Group(name string) *Prefs {
	if err := plain("preference group", name); err != nil {
		p.faults = append(p.faults, err)
	}
	p.groups = append(p.groups, prefGroup{name: name})
	return p
}

// Set adds an entry: a string, bool, int, int64, float32 or []string.
func (p *Prefs) Set(key string, value any) *Prefs {
	e := prefEntry{key: key}
	switch v := value.(type) {
	case string:
		e.class, e.value = classString, v
	case bool:
		e.class, e.value = classBool, strconv.FormatBool(v)
	case int:
		// An Integer has 32 bits, and one too large loses the whole file.
		e.class, e.value = classInt, strconv.Itoa(v)
		if int(int32(v)) != v {
			p.faults = append(p.faults, fmt.Errorf("preference %s: %d is too large for an int, give an int64", key, v))
		}
	case int64:
		e.class, e.value = classLong, strconv.FormatInt(v, 10)
	case float32:
		e.class, e.value = classFloat, strconv.FormatFloat(float64(v), 'g', -1, 32)
	case []string:
		e.class, e.elements = classSet, v
	default:
		p.faults = append(p.faults, fmt.Errorf("preference %s: a %T is none of the types that clients read", key, value))
	}
	if len(p.groups) == 0 {
		p.faults = append(p.faults, fmt.Errorf("preference %s: comes before the first group", key))
		return p
	}
	if key == "" {
		p.faults = append(p.faults, errors.New("a preference has no key"))
	}
	for _, s := range append([]string{key, e.value}, e.elements...) {
		if err := plain("preference "+key+":", s); err != nil {
			p.faults = append(p.faults, err)
		}
	}
	g := &p.groups[len(p.groups)-1]
	g.entries = append(g.entries, e)
	return p
}

// Bytes gives the XML.
func (p *Prefs) Bytes() ([]byte, error) {
	if err := errors.Join(p.faults...); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString("<?xml version='1.0' encoding='UTF-8' standalone='yes'?>\n<preferences>\n")
	for _, g := range p.groups {
		b.WriteString(`  <preference version="1" name="` + escape(g.name) + "\">\n")
		for _, e := range g.entries {
			b.WriteString(`    <entry key="` + escape(e.key) + `" class="` + e.class + `">` + escape(e.value))
			for _, s := range e.elements {
				b.WriteString("<element>" + escape(s) + "</element>")
			}
			b.WriteString("</entry>\n")
		}
		b.WriteString("  </preference>\n")
	}
	b.WriteString("</preferences>\n")
	return b.Bytes(), nil
}

// escape is for text and attributes. A buffer does not fail.
func escape(s string) string {
	var b bytes.Buffer
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		panic(err)
	}
	return b.String()
}
