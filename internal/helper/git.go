package helper

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/tokencli/tokencli/internal/account"
)

// Git is a credential helper of git: https://git-scm.com/docs/git-credential#IOFMT.
type Git struct {
	Source
	Account  account.Name
	Hosts    []string // the hosts that it answers for, as git names them: HOST or HOST:PORT
	Username string   // sent with the token if git cannot send a bearer token
}

// Run answers one operation. store, and operations that git may add, are ignored, as the protocol asks.
func (g *Git) Run(ctx context.Context, operation string, stdin io.Reader, stdout io.Writer) error {
	text, err := readInput(stdin)
	if err != nil {
		return err
	}
	request := parseGit(text)
	switch operation {
	case "get":
		return g.get(ctx, request, stdout)
	case "erase":
		return g.erase(ctx, request)
	}
	return nil
}

func (g *Git) get(ctx context.Context, request gitRequest, stdout io.Writer) error {
	if err := allow(request.value("protocol"), request.value("host"), g.Hosts); err != nil {
		return err
	}
	c, err := g.token(ctx, g.Account)
	if err != nil {
		return err
	}
	var answer strings.Builder
	if slices.Contains(request["capability[]"], "authtype") {
		fmt.Fprintf(&answer, "capability[]=authtype\nauthtype=Bearer\ncredential=%s\n", c.AccessToken.Reveal())
	} else {
		fmt.Fprintf(&answer, "username=%s\npassword=%s\n", g.Username, c.AccessToken.Reveal())
	}
	if !c.AccessExpiresAt.IsZero() {
		fmt.Fprintf(&answer, "password_expiry_utc=%d\n", c.AccessExpiresAt.Unix())
	}
	_, err = io.WriteString(stdout, answer.String())
	return err
}

// erase is how git reports that a server refused a token.
func (g *Git) erase(ctx context.Context, request gitRequest) error {
	refused := cmp.Or(request.value("credential"), request.value("password"))
	if refused == "" || !listed(request.value("protocol"), request.value("host"), g.Hosts) {
		return nil
	}
	return g.Session.TokenRefused(ctx, g.Account, refused)
}

// gitRequest holds the attributes that git sent. An attribute whose name ends in [] may be repeated.
type gitRequest map[string][]string

// value returns the last value of an attribute, which is the one that counts.
func (r gitRequest) value(name string) string {
	if values := r[name]; len(values) > 0 {
		return values[len(values)-1]
	}
	return ""
}

func parseGit(text string) gitRequest {
	request := make(gitRequest)
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			break
		}
		name, value, ok := strings.Cut(line, "=")
		switch {
		case !ok:
		case strings.HasSuffix(name, "[]") && value == "":
			delete(request, name) // an empty value starts the list again
		default:
			request[name] = append(request[name], value)
		}
	}
	return request
}
