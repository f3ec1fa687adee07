package sdk

import (
	"strconv"
	"strings"

	"github.com/takhost/takhost/hostapi/cot"
)

// Edit changes an event that is there as XML and leaves all else as its sender wrote it:
// for filters, and for plugins that send events on. Its methods give it back, so that they
// can be chained; the first thing done wrong comes out of String.
//
// An element is named by the way to it from the event, which "" is itself: "point",
// "detail/contact". What is said of an element holds for all of that name. One that is not
// there is left so.
type Edit struct {
	xml string
	err error
}

// EditEvent begins with an event.
func EditEvent(xml string) *Edit {
	e := &Edit{xml: xml}
	e.check()
	return e
}

// SetAttr writes an attribute of an element, whether it is there or not.
func (e *Edit) SetAttr(element, name, value string) *Edit {
	if e.err == nil && !isXMLName(name) {
		return e.fail(strconv.Quote(name) + " is no attribute name")
	}
	written := string(append(appendXML(append([]byte(name), `="`...), value, true), '"'))
	return e.each(element, func(tag elementTag) replacement {
		if at, ok := tag.attr(e.xml, name); ok {
			return replacement{at.from, at.to, written}
		}
		end := tag.from + 1 + tag.name
		return replacement{end, end, " " + written}
	})
}

// SetFloat writes an attribute that is a number.
func (e *Edit) SetFloat(element, name string, v float64) *Edit {
	return e.SetAttr(element, name, strconv.FormatFloat(v, 'f', -1, 64))
}

// Remove takes elements away, with all that is in them.
func (e *Edit) Remove(element string) *Edit {
	if element == "" && e.err == nil {
		return e.fail("the event itself cannot go")
	}
	return e.each(element, func(tag elementTag) replacement { return replacement{tag.from, tag.whole, ""} })
}

// Add writes an element, as XML, behind all that is in another one.
func (e *Edit) Add(inside, xml string) *Edit {
	return e.each(inside, func(tag elementTag) replacement {
		if tag.empty {
			name := e.xml[tag.from+1 : tag.from+1+tag.name]
			return replacement{tag.to - 2, tag.to, ">" + xml + "</" + name + ">"}
		}
		return replacement{tag.body, tag.body, xml}
	})
}

// String gives the event, which is one that a server accepts, or says what is wrong.
func (e *Edit) String() (string, error) {
	if e.err == nil {
		e.check()
	}
	if e.err != nil {
		return "", e.err
	}
	return e.xml, nil
}

func (e *Edit) check() {
	var h cot.Header
	if err := cot.Scan(e.xml, &h); err != nil {
		e.err = &Error{Status: Invalid, Message: "edit event: " + err.Error(), cause: err}
	}
}

func (e *Edit) fail(why string) *Edit {
	if e.err == nil {
		e.err = &Error{Status: Invalid, Message: "edit event: " + why}
	}
	return e
}

// each replaces something in each element of a path, the last one first, so that the
// places of the others stay.
func (e *Edit) each(path string, change func(tag elementTag) replacement) *Edit {
	if e.err != nil {
		return e
	}
	// What is replaced may hold names of its own, so all places are found before.
	tags := findElements(e.xml, path)
	for i := len(tags) - 1; i >= 0; i-- {
		r := change(tags[i])
		e.xml = e.xml[:r.from] + r.with + e.xml[r.to:]
	}
	return e
}

// replacement is a part of the text and what comes in its place.
type replacement struct {
	from, to int
	with     string
}

// elementTag is where an element stands.
type elementTag struct {
	from  int // its '<'
	name  int // length of its name
	to    int // behind its start tag
	body  int // its end tag; of an empty one, as to
	whole int // behind its end
	empty bool
}

// attr finds an attribute: its name, the quotes and all between.
func (t elementTag) attr(xml, name string) (r replacement, ok bool) {
	for i := t.from + 1 + t.name; i < t.to; {
		switch c := xml[i]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '/' || c == '>':
			i++
		default:
			begin := i
			for xml[i] != '=' && xml[i] != ' ' && xml[i] != '\t' && xml[i] != '\n' && xml[i] != '\r' {
				i++
			}
			end := i
			for xml[i] != '"' && xml[i] != '\'' {
				i++
			}
			i += 2 + strings.IndexByte(xml[i+1:], xml[i])
			if xml[begin:end] == name {
				return replacement{from: begin, to: i}, true
			}
		}
	}
	return r, false
}

// findElements gives the elements at a path, in their order. The text is one that Scan
// accepted, so all that is begun is ended, and there is no document type.
func findElements(xml, path string) (found []elementTag) {
	var want []string
	if path != "" {
		want = strings.Split(path, "/")
	}
	var open []elementTag
	match := 0 // how many of the open elements below the event are those of the path
	for i := 0; i < len(xml); {
		at := strings.IndexByte(xml[i:], '<')
		if at < 0 {
			break
		}
		i += at
		rest := xml[i:]
		switch {
		case strings.HasPrefix(rest, "<!--"):
			i += strings.Index(rest, "-->") + 3
		case strings.HasPrefix(rest, "<![CDATA["):
			i += strings.Index(rest, "]]>") + 3
		case strings.HasPrefix(rest, "<?"):
			i += strings.Index(rest, "?>") + 2
		case strings.HasPrefix(rest, "</"):
			last := len(open) - 1
			t := open[last]
			open = open[:last]
			t.body, t.whole = i, i+strings.IndexByte(rest, '>')+1
			if match == last && last == len(want) {
				found = append(found, t)
			}
			match = min(match, max(last-1, 0))
			i = t.whole
		default:
			t := startTag(xml, i)
			depth := len(open) // 0: the event
			if depth > 0 && match == depth-1 && depth <= len(want) && xml[i+1:i+1+t.name] == want[depth-1] {
				match = depth
			}
			i = t.to
			if !t.empty {
				open = append(open, t)
				break
			}
			if match == depth && depth == len(want) {
				found = append(found, t)
			}
			match = min(match, max(depth-1, 0))
		}
	}
	return found
}

// startTag reads the start tag at a place.
func startTag(xml string, from int) elementTag {
	i := from + 1
	for xml[i] != ' ' && xml[i] != '\t' && xml[i] != '\n' && xml[i] != '\r' && xml[i] != '/' && xml[i] != '>' {
		i++
	}
	t := elementTag{from: from, name: i - from - 1}
	for xml[i] != '>' {
		if c := xml[i]; c == '"' || c == '\'' {
			i += 1 + strings.IndexByte(xml[i+1:], c)
		}
		i++
	}
	t.to = i + 1
	t.empty = xml[i-1] == '/'
	t.body, t.whole = t.to, t.to
	return t
}
