package takproto

import (
	"fmt"

	"github.com/takhost/takhost/hostapi/cot"
)

// through sends an event through protobuf and gives what comes out, which must
// scan.
func through(text string) (string, error) {
	var h cot.Header
	if err := cot.Scan(text, &h); err != nil {
		return "", fmt.Errorf("scan: %w", err)
	}
	msg, err := AppendMessage(nil, text, &h)
	if err != nil {
		return "", fmt.Errorf("to protobuf: %w", err)
	}
	back, err := AppendXML(nil, msg)
	if err != nil {
		return "", fmt.Errorf("to XML: %w", err)
	}
	if err := cot.Scan(string(back), &h); err != nil {
		return "", fmt.Errorf("scan of %s: %w", back, err)
	}
	return string(back), nil
}
