package wire

// BaseURL gives where clients reach a listener that speaks HTTP: https for those
// with certificates, http for those of listen.tcp, web, rest. Empty: it is closed.
func (m *Init) BaseURL(listener string) string {
	for i, name := range m.BaseListeners {
		if name == listener && i < len(m.BaseURLs) {
			return m.BaseURLs[i]
		}
	}
	return ""
}
