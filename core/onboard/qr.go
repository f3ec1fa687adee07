package onboard

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"strings"

	"rsc.io/qr"
)

// quiet is the white margin that scanners want, in modules.
const quiet = 4

// encode makes a code that may lose a seventh of its area: they are printed,
// folded and photographed from screens.
func encode(text string) (*qr.Code, error) {
	if text == "" {
		return nil, fmt.Errorf("qr code: no text")
	}
	c, err := qr.Encode(text, qr.M)
	if err != nil {
		return nil, fmt.Errorf("qr code of %d bytes: %w", len(text), err)
	}
	return c, nil
}

// QRImage makes a black and white image of at most size pixels a side, quiet zone
// included. All modules are equally large, so mostly it is a little smaller.
func QRImage(text string, size int) (*image.Paletted, error) {
	c, err := encode(text)
	if err != nil {
		return nil, err
	}
	const largest = 4096
	side := c.Size + 2*quiet
	if size < side || size > largest {
		return nil, fmt.Errorf("qr code: %d pixels a side, must be within %d, which this text needs, and %d", size, side, largest)
	}
	scale := size / side
	img := image.NewPaletted(image.Rect(0, 0, side*scale, side*scale), color.Palette{color.White, color.Black})
	for y := range side * scale {
		row := img.Pix[y*img.Stride:]
		for x := range side * scale {
			if c.Black(x/scale-quiet, y/scale-quiet) {
				row[x] = 1
			}
		}
	}
	return img, nil
}

// QRPNG is QRImage as a PNG. The encoder of the qr package panics on images with
// small modules.
func QRPNG(text string, size int) ([]byte, error) {
	img, err := QRImage(text, size)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return nil, fmt.Errorf("qr code: %w", err)
	}
	return b.Bytes(), nil
}

// QRTerminal draws the code with half blocks, two modules high each, white ones
// in bright white on black whatever colours the terminal has: scanners want dark
// on light. The margin is two modules, which they take on a screen.
func QRTerminal(text string) (string, error) {
	c, err := encode(text)
	if err != nil {
		return "", err
	}
	const margin = 2
	var b strings.Builder
	for y := -margin; y < c.Size+margin; y += 2 {
		b.WriteString("\x1b[97;40m")
		for x := -margin; x < c.Size+margin; x++ {
			b.WriteString(halves(!c.Black(x, y), !c.Black(x, y+1) && y+1 < c.Size+margin))
		}
		b.WriteString("\x1b[0m\n")
	}
	return b.String(), nil
}

func halves(upper, lower bool) string {
	switch {
	case upper && lower:
		return "█"
	case upper:
		return "▀"
	case lower:
		return "▄"
	}
	return " "
}
