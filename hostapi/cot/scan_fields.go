package cot

// event reads the attributes of the root.
func (sc *scanner) event(s string) {
	h := sc.h
	for _, a := range sc.attrs() {
		switch a.name.in(s) {
		case "uid":
			h.UID = a.value(s)
		case "type":
			h.Type = a.value(s)
			h.TypeAt = int(a.val.at)
		case "how":
			h.How = a.value(s)
		case "time":
			h.Time = sc.time(s, a)
		case "start":
			h.Start = sc.time(s, a)
		case "stale":
			h.Stale = sc.time(s, a)
		}
	}
}

func (sc *scanner) time(s string, a attr) int64 {
	usec, ok := ParseTime(a.value(s))
	if !ok {
		sc.reject(badTime, a.val.at, a.name)
	}
	return usec
}

func (sc *scanner) point(s string) {
	h := sc.h
	h.Flags |= HasPoint
	for _, a := range sc.attrs() {
		switch a.name.in(s) {
		case "lat":
			h.Lat = sc.degrees(s, a)
		case "lon":
			h.Lon = sc.degrees(s, a)
		case "hae":
			h.Hae = sc.metres(s, a)
		case "ce":
			h.CE = sc.metres(s, a)
		case "le":
			h.LE = sc.metres(s, a)
		}
	}
}

func (sc *scanner) degrees(s string, a attr) float64 {
	v, ok := parseNumber(a.value(s))
	if !ok {
		sc.reject(badNumber, a.val.at, a.name)
	}
	return v
}

func (sc *scanner) metres(s string, a attr) float64 {
	v, ok := parseNumber(a.value(s))
	switch {
	case ok:
		return v
	case isNaN(a.value(s)):
		return Unknown
	default:
		sc.reject(badNumber, a.val.at, a.name)
		return 0
	}
}

// detailChild reads a child of detail that concerns the header.
func (sc *scanner) detailChild(s string) {
	h := sc.h
	switch sc.tag.name().in(s) {
	case "contact":
		if !sc.hasContact {
			sc.hasContact = true
			sc.pair(s, "callsign", &h.Callsign, "endpoint", &h.Endpoint)
		}
	case "__group":
		if !sc.hasGroup {
			sc.hasGroup = true
			sc.pair(s, "name", &h.Team, "role", &h.Role)
		}
	case "track":
		if !sc.hasTrack {
			sc.hasTrack = true
			sc.track(s)
		}
	case "marti":
		sc.inMarti = !sc.empty
		for _, a := range sc.attrs() {
			if a.name.in(s) == "archive" && a.value(s) == "false" {
				h.Flags |= NoArchive
			}
		}
	case "emergency":
		h.Flags |= HasEmergency
	case "__forcedelete":
		h.Flags |= ForceDelete
	case "_flow-tags_":
		h.Flags |= HasFlowTags
	}
}

// pair reads two attributes of the element just started.
func (sc *scanner) pair(s string, name1 string, to1 *string, name2 string, to2 *string) {
	for _, a := range sc.attrs() {
		switch a.name.in(s) {
		case name1:
			*to1 = a.value(s)
		case name2:
			*to2 = a.value(s)
		}
	}
}

func (sc *scanner) track(s string) {
	for _, a := range sc.attrs() {
		var to *float64
		switch a.name.in(s) {
		case "speed":
			to = &sc.h.Speed
		case "course":
			to = &sc.h.Course
		default:
			continue
		}
		if v, ok := parseNumber(a.value(s)); ok {
			*to = v
		}
	}
}

// dest reads one destination: of the attributes that are there and not empty
// the one that comes first in the order of DestKind counts.
func (sc *scanner) dest(s string) {
	var best attr
	var kind DestKind
	for _, a := range sc.attrs() {
		if a.val.at == a.val.to {
			continue
		}
		k := destKind(a.name.in(s))
		if k != 0 && (kind == 0 || k < kind) {
			best, kind = a, k
		}
	}
	if kind != 0 && sc.h.ndests == MaxDests {
		sc.reject(tooManyDests, sc.tag.at, span{})
	} else if kind != 0 {
		sc.h.addDest(Dest{Kind: kind, Value: best.value(s)})
	}
}

func destKind(attr string) DestKind {
	switch attr {
	case "callsign":
		return DestCallsign
	case "publish":
		return DestPublish
	case "uid":
		return DestUID
	case "mission":
		return DestMission
	case "mission-guid":
		return DestMissionGUID
	case "group":
		return DestGroup
	}
	return 0
}
