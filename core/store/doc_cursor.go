package store

import (
	"encoding/base64"
	"encoding/binary"
)

// DocPage.Next is where a page ended: four bytes for the query, the length of the
// key, the key and the id, in unpadded URL-safe base64.

func (s *docSearch) formatAfter(at docPlace) string {
	b := binary.AppendUvarint(s.sameQuery(), uint64(len(at.key)))
	b = append(append(b, at.key...), at.id...)
	return base64.RawURLEncoding.EncodeToString(b)
}

func (s *docSearch) parseAfter(text string) (*docPlace, error) {
	if text == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) < 6 {
		return nil, invalidf("after: is not what next of a page gave")
	}
	if string(b[:4]) != string(s.sameQuery()) {
		return nil, invalidf("after: comes from another query")
	}
	n, size := binary.Uvarint(b[4:])
	if size <= 0 || n >= uint64(len(b)-4-size) {
		return nil, invalidf("after: is not what next of a page gave")
	}
	b = b[4+size:]
	return &docPlace{string(b[:n]), string(b[n:])}, nil
}
