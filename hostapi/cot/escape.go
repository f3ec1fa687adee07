package cot

// appendEscaped writes s so that it reads back as it is, as character data or,
// inValue, in an attribute value with quotes of either kind. Line ends and
// tabs are written as references where reading would change them.
func appendEscaped(b []byte, s string, inValue bool) []byte {
	done := 0
	for i := range len(s) {
		esc := ""
		switch s[i] {
		case '<':
			esc = "&lt;"
		case '>':
			esc = "&gt;"
		case '&':
			esc = "&amp;"
		case '\r':
			esc = "&#13;"
		case '"':
			if inValue {
				esc = "&quot;"
			}
		case '\'':
			if inValue {
				esc = "&apos;"
			}
		case '\t':
			if inValue {
				esc = "&#9;"
			}
		case '\n':
			if inValue {
				esc = "&#10;"
			}
		}
		if esc != "" {
			b = append(append(b, s[done:i]...), esc...)
			done = i + 1
		}
	}
	return append(b, s[done:]...)
}
