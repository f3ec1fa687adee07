package sdk

import "github.com/takhost/takhost/hostapi/cot"

// appendStamp is cot.AppendTime for the times of our days, written so that a WASM module
// with a termination check, which pays for each branch, is quick at it.
func appendStamp(b []byte, us int64) []byte {
	const day = 86400 * 1000
	if us < 0 || us >= 4102444800*1e6 { // before 1970, from 2100 on
		return cot.AppendTime(b, us)
	}
	ms := uint64(us) / 1000
	t := uint32(ms % day)

	// Counted from 1 March 1900 on, each fourth year ends with a leap day, 2000 too.
	days := uint32(ms/day) + 25508
	year := (4*days + 3) / 1461
	rest := days - year*1461/4
	m := (5*rest + 2) / 153
	d := rest - (153*m+2)/5 + 1
	next := (m + 2) / 12 // January and February are of the next year
	y := 1900 + year + next
	m = m + 3 - 12*next

	b = append(b, "2006-01-02T15:04:05.000Z"...)
	p := b[len(b)-24:]
	p = p[:24:24]
	p[0], p[1], p[2], p[3] = digit(y/1000), digit(y/100), digit(y/10), digit(y)
	p[5], p[6] = digit(m/10), digit(m)
	p[8], p[9] = digit(d/10), digit(d)
	p[11], p[12] = digit(t/36000000), digit(t/3600000)
	p[14], p[15] = digit(t/600000%6), digit(t/60000)
	p[17], p[18] = digit(t/10000%6), digit(t/1000)
	p[20], p[21], p[22] = digit(t/100), digit(t/10), digit(t)
	return b
}

// digit is the last digit of a number.
func digit(n uint32) byte { return '0' + byte(n%10) }
