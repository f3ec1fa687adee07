package onboard

import (
	"bytes"
	"image/color"
	"image/png"
	"net/url"
	"strings"
	"testing"
)

func TestLinks(t *testing.T) {
	moved := Reach{Host: "192.0.2.1", Stream: 9089, Enrol: 443}
	tests := []struct{ name, got, want string }{
		{"enrol", Link(reach, "ann", "K7PX-22MD"), "tak://com.atakmap.app/enroll?host=tak.example.org&username=ann&token=K7PX-22MD"},
		{"enrol at another port", Link(moved, "ann", "x"), "tak://com.atakmap.app/enroll?host=192.0.2.1%3A9089%3Assl&username=ann&token=x"},
		{"escaped", Link(reach, "Ann B+ü", "a&b=c#d%"), "tak://com.atakmap.app/enroll?host=tak.example.org&username=Ann%20B%2B%C3%BC&token=a%26b%3Dc%23d%25"},
		{"import", ImportLink("https://tak.example.org:8446/enrol/x/atak.zip"), "tak://com.atakmap.app/import?url=https%3A%2F%2Ftak.example.org%3A8446%2Fenrol%2Fx%2Fatak.zip"},
		{"iTAK", ITAKText(reach), "Mountain rescue,tak.example.org,8089,SSL"},
		{"iTAK, a name with commas", ITAKText(Reach{Name: `A, "B"`, Host: "h", Stream: 1}), "A   B,h,1,SSL"},
		{"iTAK, a name beyond ASCII", ITAKText(Reach{Name: "Süd", Host: "h", Stream: 1}), "h,h,1,SSL"},
		{"iTAK without a name", ITAKText(Reach{Host: "h", Stream: 8089}), "h,h,8089,SSL"},
		{"landing page", LandingURL(reach, "K7PX"), "https://tak.example.org:8446/enrol/K7PX"},
		{"landing page at 443", LandingURL(moved, "K7/X"), "https://192.0.2.1/enrol/K7/X"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.got != tt.want {
				t.Errorf("got  %q\nwant %q", tt.got, tt.want)
			}
		})
	}
	u, err := url.Parse(Link(reach, "Ann B+ü", "a&b=c#d%"))
	if err != nil {
		t.Fatal(err)
	}
	if q := u.Query(); q.Get("username") != "Ann B+ü" || q.Get("token") != "a&b=c#d%" || u.Host+u.Path != "com.atakmap.app/enroll" {
		t.Errorf("read back: %v", u)
	}
}

func TestQRPNG(t *testing.T) {
	tests := []struct {
		name, text string
		size       int
		want       string // of the error
	}{
		{"short", "https://h/enrol/x", 300, ""},
		{"link", Link(reach, strings.Repeat("u", 60), strings.Repeat("t", 60)), 720, ""},
		{"smallest", "x", 29, ""},
		{"too small", "x", 28, "must be within 29"},
		{"too large", "x", 5000, "and 4096"},
		{"no text", "", 300, "no text"},
		{"too long", strings.Repeat("x", 4000), 720, "too long"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			data, err := QRPNG(tt.text, tt.size)
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Fatalf("got error %v, want one with %q", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			img, err := png.Decode(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			side := img.Bounds().Dx()
			if side > tt.size || side <= tt.size/2 || side != img.Bounds().Dy() {
				t.Errorf("got %v, want a square of nearly %d", img.Bounds(), tt.size)
			}
			c, err := encode(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			scale := side / (c.Size + 2*quiet)
			for y := range c.Size + 2*quiet {
				for x := range c.Size + 2*quiet {
					want := byte(0xff)
					if c.Black(x-quiet, y-quiet) {
						want = 0
					}
					if got := color.GrayModel.Convert(img.At(x*scale, y*scale)).(color.Gray).Y; got != want {
						t.Fatalf("module %d,%d: got %d, want %d", x, y, got, want)
					}
				}
			}
		})
	}
}

func TestQRTerminal(t *testing.T) {
	const text = "https://tak.example.org:8446/enrol/K7PX-22MD-QF4T"
	drawn, err := QRTerminal(text)
	if err != nil {
		t.Fatal(err)
	}
	c, err := encode(text)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(drawn, "\n"), "\n")
	if want := (c.Size + 4 + 1) / 2; len(lines) != want {
		t.Fatalf("got %d lines, want %d", len(lines), want)
	}
	for i, line := range lines {
		cells := []rune(strings.TrimSuffix(strings.TrimPrefix(line, "\x1b[97;40m"), "\x1b[0m"))
		if len(cells) != c.Size+4 {
			t.Fatalf("line %d: %d cells, want %d", i, len(cells), c.Size+4)
		}
		for j, cell := range cells {
			x, y := j-2, 2*i-2
			upper, lower := cell == '█' || cell == '▀', cell == '█' || cell == '▄'
			if upper == c.Black(x, y) {
				t.Fatalf("module %d,%d: light is %v", x, y, upper)
			}
			if y+1 < c.Size+2 && lower == c.Black(x, y+1) {
				t.Fatalf("module %d,%d: light is %v", x, y+1, lower)
			}
		}
	}
	if _, err := QRTerminal(strings.Repeat("x", 4000)); err == nil {
		t.Error("too long a text: no error")
	}
}
