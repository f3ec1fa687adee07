//go:build !linux && !darwin

package main

import "errors"

func freeSpace(string) (percent float64, err error) {
	return 0, errors.New("this example knows Linux and macOS alone")
}
