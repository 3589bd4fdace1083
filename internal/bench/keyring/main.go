// Command keyring reads one secret through go-keyring and prints it: what `tokencli token` would cost at
// least if it read the keychain in the obvious way.
package main

import (
	"os"

	"github.com/zalando/go-keyring"
)

func main() {
	if len(os.Args) != 3 {
		os.Exit(2)
	}
	secret, err := keyring.Get(os.Args[1], os.Args[2])
	if err != nil {
		_, _ = os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
	_, _ = os.Stdout.WriteString(secret + "\n")
}
