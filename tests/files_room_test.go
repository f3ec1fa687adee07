package tests

import (
	"fmt"
	"testing"

	"github.com/takhost/takhost/core/config"
)

// What was deleted, and what was refused, makes room at once: a full server is of use
// again as soon as somebody deletes something, and nobody fills it with what he may
// not send.
func TestFilesRoomAtOnce(t *testing.T) {
	t.Parallel()
	srv := startFiles(t, limits(func(l *config.Limits) { l.Files = 3 << 20 }))
	m := srv.as(t, srv.anna).mover(t)
	for round := range uint64(3) {
		for i := range uint64(3) {
			c := content{10*round + i, 900 << 10}
			if _, err := m.put(fmt.Sprint("file", c.seed), c); err != nil {
				t.Fatalf("round %d, file %d: %v", round, i, err)
			}
		}
		noRoom(t, m, content{10*round + 9, 900 << 10}, "limits.files")
		for i := range uint64(3) {
			r, err := m.send("DELETE", "/Marti/sync/delete?hash="+content{10*round + i, 900 << 10}.hash(), "", nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			r.t = t
			r.is(200)
		}
	}
	for i := range uint64(8) {
		c := content{100 + i, 1 << 20}
		r, err := m.send("POST", "/Marti/sync/missionupload?filename=p.zip&hash="+c.hash(), "application/zip", c.reader(), c.size)
		if err != nil {
			t.Fatal(err)
		}
		r.t = t
		r.is(400) // no archive
	}
	if _, err := m.put("after-all", content{200, 2 << 20}); err != nil {
		t.Error(err)
	}
}
