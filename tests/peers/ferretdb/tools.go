//go:build tools

// Package peers names the program that the tests build, so that `go mod tidy` keeps what it needs in go.sum.
package peers

import _ "github.com/FerretDB/FerretDB/cmd/ferretdb"
