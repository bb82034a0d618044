// SPDX-License-Identifier: Apache-2.0

// rdgo FILE: the MD5 of what os.ReadFile gives.
package main

import (
	"crypto/md5"
	"fmt"
	"os"
)

func main() {
	data, err := os.ReadFile(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("%x\n", md5.Sum(data))
}
