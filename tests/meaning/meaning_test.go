package meaning

import "testing"

func TestDiff(t *testing.T) {
	const event = `<event version="2.0" uid="U" type="a-f-G" how="m-g" time="2025-01-01T00:00:00.0009Z"><point lat="1.0" lon="2" hae="3" ce="4" le="5"/><detail><track speed="1.0" course="2"/><contact callsign="A"/><x>1</x><y/></detail></event>`
	tests := []struct {
		name, other string
		same        bool
	}{
		{"itself", event, true},
		{"other quotes, order, digits", `<event type='a-f-G' uid='U' version='2.0' how='m-g' time='2025-01-01T00:00:00Z'><detail><contact callsign="A"/><track course="2.00" speed="1"/><x>1</x><y></y></detail><point lat="1" lon="2.0" hae="3" ce="4" le="5"/></event>`, true},
		{"another uid", `<event uid="V" type="a-f-G" how="m-g" time="2025-01-01T00:00:00Z"><point lat="1" lon="2" hae="3" ce="4" le="5"/><detail><track speed="1" course="2"/><contact callsign="A"/><x>1</x><y/></detail></event>`, false},
		{"another place", `<event uid="U" type="a-f-G" how="m-g" time="2025-01-01T00:00:00Z"><point lat="1.1" lon="2" hae="3" ce="4" le="5"/><detail><track speed="1" course="2"/><contact callsign="A"/><x>1</x><y/></detail></event>`, false},
		{"other text", `<event uid="U" type="a-f-G" how="m-g" time="2025-01-01T00:00:00Z"><point lat="1" lon="2" hae="3" ce="4" le="5"/><detail><track speed="1" course="2"/><contact callsign="A"/><x>2</x><y/></detail></event>`, false},
		{"an element less", `<event uid="U" type="a-f-G" how="m-g" time="2025-01-01T00:00:00Z"><point lat="1" lon="2" hae="3" ce="4" le="5"/><detail><track speed="1" course="2"/><contact callsign="A"/><x>1</x></detail></event>`, false},
		{"an access", `<event uid="U" type="a-f-G" how="m-g" access="Z" time="2025-01-01T00:00:00Z"><point lat="1" lon="2" hae="3" ce="4" le="5"/><detail><track speed="1" course="2"/><contact callsign="A"/><x>1</x><y/></detail></event>`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			diff, err := Diff(event, tt.other)
			if err != nil {
				t.Fatal(err)
			}
			if (diff == "") != tt.same {
				t.Errorf("got the difference %q, want same: %t", diff, tt.same)
			}
		})
	}
	if _, err := Diff(event, "<event>"); err == nil {
		t.Error("a broken event: got no error")
	}
}
