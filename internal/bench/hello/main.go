// Command hello prints one line: the least that a Go program costs, to which everything is compared.
package main

import "os"

func main() {
	if _, err := os.Stdout.WriteString("hello\n"); err != nil {
		os.Exit(1)
	}
}
