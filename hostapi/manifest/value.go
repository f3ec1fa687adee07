package manifest

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/takhost/takhost/hostapi/cot"
)

// Duration is a span, in the file a text such as 250ms, 30s, 5m, 12h or 30d.
type Duration time.Duration

func (d *Duration) decode(f *faults, path string, v any) {
	const help = "write a span such as 250ms, 30s, 5m, 12h or 30d"
	s, ok := v.(string)
	if !ok {
		f.add(path, "is %s: %s", kindOf(v), help)
		return
	}
	n, ok := parseDuration(s)
	if !ok || n <= 0 {
		f.add(path, "%s is no span: %s", show(s), help)
		return
	}
	*d = Duration(n)
}

func parseDuration(s string) (time.Duration, bool) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 32)
		return time.Duration(n) * 24 * time.Hour, err == nil && n <= 36500
	}
	n, err := time.ParseDuration(s)
	return n, err == nil
}

func (*Duration) jsonSchema() map[string]any {
	return map[string]any{"type": "string", "pattern": `^([0-9]+d|([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+)$`}
}

// Bytes is a size, in the file a number of bytes or a text such as 64MiB.
type Bytes int64

func (b *Bytes) decode(f *faults, path string, v any) {
	const help = "write a size such as 512KiB, 64MiB or 1GiB, or a number of bytes"
	n, ok := whole(v)
	if s, isText := v.(string); isText {
		n, ok = parseBytes(s)
	}
	if !ok || n <= 0 {
		f.add(path, "is %s: %s", kindOf(v), help)
		return
	}
	*b = Bytes(n)
}

// parseBytes reads 64MiB; MB and M mean the same, as nobody who sets a limit
// wants to be told the difference.
func parseBytes(s string) (int64, bool) {
	unit := strings.TrimLeft(s, "0123456789")
	n, err := strconv.ParseInt(strings.TrimSuffix(s, unit), 10, 64)
	if err != nil {
		return 0, false
	}
	shift, ok := map[string]int{"": 0, "b": 0, "k": 10, "kb": 10, "kib": 10, "m": 20, "mb": 20, "mib": 20,
		"g": 30, "gb": 30, "gib": 30, "t": 40, "tb": 40, "tib": 40}[strings.ToLower(strings.TrimSpace(unit))]
	if !ok || n > math.MaxInt64>>shift {
		return 0, false
	}
	return n << shift, true
}

func (*Bytes) jsonSchema() map[string]any {
	return map[string]any{"anyOf": []any{
		map[string]any{"type": "integer", "minimum": 1},
		map[string]any{"type": "string", "pattern": `^[0-9]+ *([kKmMgGtT]([iI]?[bB])?|[bB])?$`},
	}}
}

func (b *Box) decode(f *faults, path string, v any) {
	const help = "write four numbers in degrees: south, west, north, east"
	l, ok := v.([]any)
	if !ok || len(l) != 4 {
		f.add(path, "is %s: %s", kindOf(v), help)
		return
	}
	for i, to := range []*float64{&b.South, &b.West, &b.North, &b.East} {
		n, ok := real(l[i])
		if !ok {
			f.add(item(path, i), "is %s: %s", kindOf(l[i]), help)
			return
		}
		*to = n
	}
	if !cot.Box(*b).Valid() {
		f.add(path, "is no area: %s, with south below north", help)
	}
}

func (*Box) jsonSchema() map[string]any {
	return map[string]any{"type": "array", "items": map[string]any{"type": "number"}, "minItems": 4, "maxItems": 4}
}
