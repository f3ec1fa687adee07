package hostapi

import "testing"

func BenchmarkAppendView(b *testing.B) {
	e := event(b, saEvent)
	for _, bb := range []struct {
		name string
		want DetailWant
	}{
		{"header", DetailWant{}},
		{"absent", WantDetail([]string{"emergency", "fileshare"})},
		{"remarks", WantDetail([]string{"remarks"})},
		{"all", WantDetail([]string{"*"})},
		{"all and XML", DetailWant{All: true, XML: true}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			var w ViewWriter
			buf := w.Append(nil, e, bb.want)
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for b.Loop() {
				buf = w.Append(buf[:0], e, bb.want)
			}
		})
	}
}

func BenchmarkView(b *testing.B) {
	v := View(AppendView(nil, event(b, saEvent), DetailWant{All: true}))
	b.Run("two fields", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if v.UID() == "" || v.Lat() == 0 {
				b.Fatal("empty")
			}
		}
	})
	b.Run("a detail attribute", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if s, _ := v.Detail().Root().Child("status").Attr("battery"); s == "" {
				b.Fatal("empty")
			}
		}
	})
}
