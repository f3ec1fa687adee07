package wire

// Peek goes over the fields of a message without decoding it, for those who want one of
// many. After a message that is broken it has no more fields; Err says so.
type Peek struct {
	r     reader
	value bool // the value of the field at hand has not been read
}

// NewPeek begins with the first field of a message.
func NewPeek(message []byte) Peek { return Peek{r: reader{b: message}} }

// Next goes on to the next field and gives its number, or 0 at the end.
func (p *Peek) Next() int {
	if p.value {
		p.r.skip()
	}
	if p.value = p.r.next(); !p.value {
		return 0
	}
	return int(p.r.tag >> 3)
}

// Uint reads a number: an integer, an enum or a bool. Of a field of another type it is 0.
func (p *Peek) Uint() uint64 {
	if !p.value || p.r.tag&7 != wireVarint {
		return 0
	}
	p.value = false
	return p.r.varint()
}

// Bytes reads bytes, a text or a message, as a part of the message. Of a field of
// another type it is nil.
func (p *Peek) Bytes() []byte {
	if !p.value || p.r.tag&7 != wireBytes {
		return nil
	}
	p.value = false
	return p.r.bytes()
}

// Err is why there are no more fields, if the message is broken.
func (p *Peek) Err() error { return p.r.err }
