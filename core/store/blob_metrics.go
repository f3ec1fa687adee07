package store

import "github.com/prometheus/client_golang/prometheus"

// blobMetrics are those of files.
type blobMetrics struct {
	reg        prometheus.Registerer
	collectors []prometheus.Collector

	written, swept prometheus.Counter
}

func newBlobMetrics(b *Blobs, reg prometheus.Registerer) (*blobMetrics, error) {
	const space, sub = "takhost", "blobs"
	m := &blobMetrics{
		reg: reg,
		written: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: space, Subsystem: sub, Name: "written_bytes_total", Help: "Bytes of the files that were stored."}),
		swept: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: space, Subsystem: sub, Name: "swept_total", Help: "Files removed because nobody kept them."}),
	}
	gauge := func(name, help string, value func() int64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: space, Subsystem: sub, Name: name, Help: help},
			func() float64 { return float64(value()) })
	}
	m.collectors = []prometheus.Collector{
		m.written, m.swept,
		gauge("files", "Files that are stored.", b.plugins.room.files.Load),
		gauge("bytes", "Bytes of all files.", b.plugins.room.bytes.Load),
		gauge("unfinished_bytes", "Bytes of files that are being written.", b.writing.Load),
		gauge("promised_bytes", "Bytes that files which are being written may have, as announced, or as far as they have come.", b.plugins.room.promises),
	}
	if reg == nil {
		return m, nil
	}
	for i, c := range m.collectors {
		if err := reg.Register(c); err != nil {
			m.collectors = m.collectors[:i]
			m.unregister()
			return nil, err
		}
	}
	return m, nil
}

// unregister lets another store use the same registry.
func (m *blobMetrics) unregister() {
	if m.reg == nil {
		return
	}
	for _, c := range m.collectors {
		m.reg.Unregister(c)
	}
}
