//go:build !wasip1

package main

import _ "github.com/takhost/takhost/sdk/native" // as a process: the same source, another build
