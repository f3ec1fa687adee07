package proxy

import (
	"net/netip"
	"strings"
	"testing"
)

func TestParseTrusted(t *testing.T) {
	tests := []struct {
		name string
		list []string
		has  string
		want bool
		err  []string
	}{
		{"address", []string{"192.0.2.1"}, "192.0.2.1", true, nil},
		{"other address", []string{"192.0.2.1"}, "192.0.2.2", false, nil},
		{"network", []string{"10.0.0.0/8", " 192.0.2.0/24 "}, "192.0.2.77", true, nil},
		{"IPv6", []string{"2001:db8::/32"}, "2001:db8::1", true, nil},
		{"IPv4 in IPv6 asked", []string{"192.0.2.1"}, "::ffff:192.0.2.1", true, nil},
		{"IPv4 in IPv6 listed", []string{"::ffff:192.0.2.0/120"}, "192.0.2.9", true, nil},
		{"zone asked", []string{"fe80::1"}, "fe80::1%eth0", true, nil},
		{"IPv6 is not IPv4", []string{"::/0"}, "192.0.2.1", false, nil},
		{"empty", nil, "127.0.0.1", false, nil},
		{
			"faults together",
			[]string{"localhost", "10.0.0.1/8", "::ffff:0.0.0.0/90", "fe80::1%lo", "10.0.0.0/33"},
			"", false,
			[]string{`"localhost"`, "the network is 10.0.0.0/8", "without the ::ffff: in front", "without %lo", `"10.0.0.0/33"`},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tr, err := ParseTrusted(tt.list)
			if (err != nil) != (tt.err != nil) {
				t.Fatalf("got error %v, want %q", err, tt.err)
			}
			for _, want := range tt.err {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error lacks %q: %v", want, err)
				}
			}
			if err != nil {
				return
			}
			if got := tr.Has(netip.MustParseAddr(tt.has)); got != tt.want {
				t.Errorf("has %s: got %v, want %v", tt.has, got, tt.want)
			}
		})
	}
	var none *Trusted
	if none.Has(netip.MustParseAddr("127.0.0.1")) || !none.Empty() {
		t.Error("nobody trusts somebody")
	}
}

func trust(t testing.TB, list ...string) *Trusted {
	t.Helper()
	tr, err := ParseTrusted(list)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}
