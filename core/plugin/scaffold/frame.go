package scaffold

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/takhost/takhost/hostapi/wire"
)

// The border to plugintest, which says what goes over it (see Env there). It is written
// down twice, since nothing in core imports the sdk.
const (
	envRunner   = "TAKHOST_PLUGINTEST"
	newInstance = 0
	crashed     = 255
	maxFrame    = 64 << 20 // bytes
)

func writeFrame(w io.Writer, f *wire.Frame) error {
	b := f.Append(make([]byte, 4))
	binary.LittleEndian.PutUint32(b, uint32(len(b)-4))
	_, err := w.Write(b)
	return err
}

func readFrame(r io.Reader) (*wire.Frame, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n > maxFrame {
		return nil, fmt.Errorf("frame of %d bytes: at most %d", n, maxFrame)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, fmt.Errorf("read frame: %w", err)
	}
	f := &wire.Frame{}
	if err := f.Decode(b); err != nil {
		return nil, fmt.Errorf("read frame: %w", err)
	}
	return f, nil
}
