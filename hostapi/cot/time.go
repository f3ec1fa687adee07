package cot

// ParseTime reads yyyy-MM-ddTHH:mm:ss[.fraction](Z|±hh:mm|±hhmm), years 0000 to
// 9999, as microseconds since 1970 UTC. The fraction may have any number of
// digits; those beyond microseconds are cut.
func ParseTime(s string) (usec int64, ok bool) {
	if len(s) < len("2006-01-02T15:04:05Z") {
		return 0, false
	}
	if s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' {
		return 0, false
	}
	century, yy, month, day := two(s, 0), two(s, 2), two(s, 5), two(s, 8)
	hour, minute, sec := two(s, 11), two(s, 14), two(s, 17)
	year := century*100 + yy
	if century > 99 || yy > 99 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) ||
		hour > 23 || minute > 59 || sec > 59 {
		return 0, false
	}
	usec = (daysSince1970(int64(year), int64(month), int64(day))*86400 +
		int64(hour)*3600 + int64(minute)*60 + int64(sec)) * 1e6

	i := 19
	if s[i] == '.' {
		i++
		for scale := int64(1e5); i < len(s) && s[i]-'0' <= 9; i++ {
			usec += int64(s[i]-'0') * scale
			scale /= 10
		}
	}
	zone, ok := parseZone(s[i:])
	return usec - zone*1e6, ok
}

// parseZone reads what follows the seconds, as seconds east of UTC.
func parseZone(s string) (sec int64, ok bool) {
	if s == "Z" {
		return 0, true
	}
	var h, m uint
	switch {
	case len(s) == len("+hh:mm") && s[3] == ':':
		h, m = two(s, 1), two(s, 4)
	case len(s) == len("+hhmm"):
		h, m = two(s, 1), two(s, 3)
	default:
		return 0, false
	}
	if s[0] != '+' && s[0] != '-' || h > 23 || m > 59 {
		return 0, false
	}
	sec = int64(h)*3600 + int64(m)*60
	if s[0] == '-' {
		sec = -sec
	}
	return sec, true
}

// two reads two digits; a value above 99 says that they are none.
func two(s string, i int) uint {
	a, b := uint(s[i])-'0', uint(s[i+1])-'0'
	if a > 9 || b > 9 {
		return 100
	}
	return a*10 + b
}

func daysIn(year, month uint) uint {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// The two conversions count years from March, so that the leap day is a year's
// last, and eras of 400 years, which all have the same number of days.
const (
	daysPerEra = 146097
	daysTo1970 = 719468 // from 0000-03-01
)

func daysSince1970(y, m, d int64) int64 {
	if m <= 2 {
		y, m = y-1, m+12
	}
	era := y / 400
	if y < 0 { // January and February of year 0
		era = -1
	}
	y -= era * 400
	return era*daysPerEra + y*365 + y/4 - y/100 + (153*(m-3)+2)/5 + d - 1 - daysTo1970
}

func civil(days int64) (y, m, d int64) {
	days += daysTo1970
	era := days / daysPerEra
	if days < 0 {
		era = -1
	}
	days -= era * daysPerEra
	y = (days - days/1460 + days/36524 - days/146096) / 365
	days -= y*365 + y/4 - y/100
	m = (5*days + 2) / 153
	d = days - (153*m+2)/5 + 1
	y, m = y+era*400, m+3
	if m > 12 {
		y, m = y+1, m-12
	}
	return y, m, d
}

// The first and the last microsecond that four digits of year can say.
const (
	minTime = -62167219200 * 1e6
	maxTime = 253402300800*1e6 - 1
)

// AppendTime writes microseconds since 1970 UTC as ATAK does, to the
// millisecond below: 2006-01-02T15:04:05.000Z. What lies outside the years
// 0000 to 9999 is written as the nearest time inside.
func AppendTime(b []byte, usec int64) []byte {
	ms := floorDiv(min(max(usec, minTime), maxTime), 1000)
	days := floorDiv(ms, 86400*1000)
	ms -= days * 86400 * 1000
	y, m, d := civil(days)
	b = appendTwo(b, y/100)
	b = appendTwo(b, y%100)
	b = appendTwo(append(b, '-'), m)
	b = appendTwo(append(b, '-'), d)
	b = appendTwo(append(b, 'T'), ms/3600000)
	b = appendTwo(append(b, ':'), ms/60000%60)
	b = appendTwo(append(b, ':'), ms/1000%60)
	b = append(b, '.', byte('0'+ms/100%10))
	b = appendTwo(b, ms%100)
	return append(b, 'Z')
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func appendTwo(b []byte, v int64) []byte {
	return append(b, byte('0'+v/10), byte('0'+v%10))
}
