package config

import "fmt"

// Origin says where a value comes from.
type Origin struct {
	kind      originKind
	name      string // file, variable, flag or rule
	line, col int    // in a file; 0 where unknown
}

type originKind int

const (
	fromDefault originKind = iota
	fromExposure
	fromFile
	fromEnv
	fromFlag
)

// String gives default, exposure lan, takhost.yaml:3, TAKHOST_LISTEN_TCP, or
// --set.
func (o Origin) String() string {
	switch {
	case o.kind == fromDefault:
		return "default"
	case o.kind == fromFile && o.line > 0:
		return fmt.Sprintf("%s:%d", o.name, o.line)
	}
	return o.name
}

// ByHand reports whether somebody has set the value in file, environment or
// flags.
func (o Origin) ByHand() bool { return o.kind >= fromFile }

// prefix starts an error about the value.
func (o Origin) prefix() string {
	switch {
	case !o.ByHand():
		return ""
	case o.kind == fromFile && o.col > 0:
		return fmt.Sprintf("%s:%d:%d: ", o.name, o.line, o.col)
	}
	return o.String() + ": "
}

// Source gives the kind of source: default, exposure, file, environment or
// flag.
func (o Origin) Source() string {
	return [...]string{fromDefault: "default", fromExposure: "exposure", fromFile: "file", fromEnv: "environment", fromFlag: "flag"}[o.kind]
}
