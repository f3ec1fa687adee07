package wire

import (
	"bytes"
	"errors"
	"testing"
)

func TestPeek(t *testing.T) {
	m := ClientChange{Kind: ClientChangeKindDisconnected, At: -1, Client: &Client{UID: "A", Lat: 48, Connected: 77, Located: true}}
	p := NewPeek(m.Append(nil))
	var numbers []int
	for n := p.Next(); n != 0; n = p.Next() {
		numbers = append(numbers, n)
		switch n {
		case 1:
			if k := p.Uint(); k != uint64(ClientChangeKindDisconnected) || p.Uint() != 0 || p.Bytes() != nil {
				t.Errorf("kind: got %d, and then more", k)
			}
		case 2:
			if p.Uint() != 0 {
				t.Error("a message was read as a number")
			}
			c := NewPeek(p.Bytes())
			for n := c.Next(); n != 0; n = c.Next() {
				if n == 1 && !bytes.Equal(c.Bytes(), []byte("A")) || n == 11 && c.Uint() != 77 {
					t.Errorf("field %d of the client is not what was written", n)
				}
			}
			if c.Err() != nil {
				t.Error(c.Err())
			}
		}
	}
	if len(numbers) != 3 || p.Err() != nil {
		t.Errorf("fields %v, %v, want three", numbers, p.Err())
	}
	broken := NewPeek([]byte{0x0a, 0x05, 'x'})
	if n := broken.Next(); n != 1 || broken.Next() != 0 || !errors.Is(broken.Err(), ErrTruncated) {
		t.Errorf("a message that is cut: field %d, then %v", n, broken.Err())
	}
	none := NewPeek(nil)
	if none.Next() != 0 || none.Uint() != 0 || none.Bytes() != nil || none.Err() != nil {
		t.Error("an empty message has a field")
	}
}
