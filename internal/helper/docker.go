package helper

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
)

// Docker is a docker-credential helper: https://github.com/docker/docker-credential-helpers#development.
type Docker struct {
	Source
	// Registries maps the hosts of registries (HOST or HOST:PORT) to accounts.
	Registries map[string]account.Name
	Username   string // sent with the token
}

// notFound is the protocol's answer for a registry without credentials; clients compare it. What is wrong is
// said on stderr, which they pass on.
const notFound = "credentials not found in native keychain"

// Run answers one operation: get, store, erase or list.
func (d *Docker) Run(ctx context.Context, operation string, stdin io.Reader, stdout io.Writer) error {
	switch operation {
	case "get":
		err := d.get(ctx, stdin, stdout)
		if err != nil {
			fmt.Fprintln(stdout, notFound)
		}
		return err
	case "list":
		servers := make(map[string]string, len(d.Registries))
		for host := range d.Registries {
			servers["https://"+host] = d.Username
		}
		return writeJSON(stdout, servers)
	case "store", "erase":
		// The client shows what a failed helper wrote to stdout.
		err := fail.New(fail.Usage, "docker cannot change logins of tokencli").Advise(fail.DoManageLogins)
		fmt.Fprintln(stdout, err)
		return err
	}
	return fail.New(fail.Usage, "unknown operation %q of the docker-credential protocol", redact.Scrub(operation, 40))
}

func (d *Docker) get(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	text, err := readInput(stdin)
	if err != nil {
		return err
	}
	server := strings.TrimSpace(text)
	scheme, host := registry(server)
	name, err := d.find(scheme, host)
	if err != nil {
		return err
	}
	c, err := d.token(ctx, name)
	if err != nil {
		return err
	}
	return writeJSON(stdout, struct{ ServerURL, Username, Secret string }{server, d.Username, c.AccessToken.Reveal()})
}

func (d *Docker) find(scheme, host string) (account.Name, error) {
	for h, name := range d.Registries {
		if listed(scheme, host, []string{h}) {
			return name, checkSecure(scheme, host)
		}
	}
	return account.Name{}, fail.New(fail.Usage, "no account is set up for the registry %s", redact.Scrub(host, 80)).
		Advise(fail.DoMapRegistry)
}

// registry takes the address of a registry apart. Docker names most registries without a scheme and means
// https then.
func registry(server string) (scheme, host string) {
	if !strings.Contains(server, "://") {
		server = "https://" + server
	}
	u, err := url.Parse(server)
	if err != nil {
		return "", ""
	}
	return u.Scheme, u.Host
}
