// Command tokencli logs in to an API once, keeps the tokens in the operating system's keychain and
// hands a fresh one to a shell, a script or a program.
package main

import (
	"os"

	"github.com/tokencli/tokencli/cmd"
)

// version is set by the release (-ldflags "-X main.version=...").
var version string

func main() { os.Exit(cmd.Main(version)) }
