package provider

import (
	"errors"
	"net/url"
	"strconv"
	"strings"

	"github.com/tokencli/tokencli/internal/loopback"
)

// outOfBand is the redirect URI with which a provider shows the code instead of redirecting.
const outOfBand = "urn:ietf:wg:oauth:2.0:oob"

// checkDefault reports why the default redirect URI cannot work.
func (d *Definition) checkDefault() error {
	r := d.Redirect
	if r.Default == "" {
		return nil
	}
	if r.Default == outOfBand {
		if !r.OutOfBand {
			return errors.New("expected out_of_band: true beside it")
		}
		return nil
	}
	u, err := url.Parse(r.Default)
	switch {
	case strings.ContainsAny(r.Default, "{}"):
		return errors.New("a placeholder has no value here")
	case err != nil || u.Scheme == "" || (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() == "":
		return errors.New("expected an address such as http://127.0.0.1:8976/callback")
	case strings.Contains(r.Default, "#"):
		return errors.New("expected an address without a fragment (RFC 6749 3.1.2)")
	case r.HTTPS && u.Scheme == "http":
		return errors.New("expected https, as https: true beside it says")
	case r.NoLoopback && loopback.Is(u.Hostname()):
		return errors.New("expected an address that is not of this machine, as no_loopback: true beside it says")
	case r.ExactPort && !d.Discovers() && // else the client may be registered with the port that was picked
		loopback.Is(u.Hostname()) && u.Port() == "0":
		return errors.New("expected a port other than 0, which picks any, as exact_port: true beside it says")
	}
	if _, err := strconv.ParseUint(u.Port(), 10, 16); u.Port() != "" && err != nil {
		return errors.New("expected a port from 0 to 65535")
	}
	return nil
}
