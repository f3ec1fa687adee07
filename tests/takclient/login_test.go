package takclient

import (
	"io"
	"net"
	"testing"
)

func TestLoginComesFirst(t *testing.T) {
	ours, theirs := net.Pipe()
	const want = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<auth><cot username=\"J&amp;J\" password=\"a&lt;&#34;\"/></auth>"
	got := make(chan string, 1)
	go func() {
		b := make([]byte, len(want))
		if _, err := io.ReadFull(theirs, b); err != nil {
			t.Error(err)
		}
		got <- string(b)
		theirs.Close()
	}()
	Attach(t, ours, WithLogin("J&J", `a<"`))
	if s := <-got; s != want {
		t.Errorf("sent %q, want %q", s, want)
	}
}
