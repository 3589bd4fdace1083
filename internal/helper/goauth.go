package helper

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
)

// GoAuth is a GOAUTH command (go help goauth). Go uses what it prints for https addresses only.
type GoAuth struct {
	Source
	Account account.Name
	Hosts   []string
}

// Run prints the header for all hosts. Go runs the command once without an address, and again with the
// address of a request that was answered with a 4xx. That answer is on stdin then.
func (g *GoAuth) Run(ctx context.Context, address string, stdin io.Reader, stdout io.Writer) error {
	if address != "" {
		u, err := url.Parse(address)
		if err != nil {
			return fail.New(fail.Usage, "the go command passed an invalid address")
		}
		if err := allow(u.Scheme, u.Host, g.Hosts); err != nil {
			return err
		}
	}
	c, err := g.token(ctx, g.Account)
	if err != nil {
		return err
	}
	if address != "" && status(stdin) == http.StatusUnauthorized {
		// Go does not say which token it sent; this command printed it moments ago.
		if err := g.Session.TokenRefused(ctx, g.Account, c.AccessToken.Reveal()); err != nil {
			return err
		}
		if c, err = g.token(ctx, g.Account); err != nil {
			return err
		}
	}
	how, title, err := g.Session.Presentation(c)
	if err != nil {
		return err
	}
	header := how.Header(c.AccessToken.Reveal())
	if header == "" {
		return fail.New(fail.Usage, "%s takes its token in the query, not in a header", title)
	}
	var answer strings.Builder
	for _, host := range g.Hosts {
		fmt.Fprintf(&answer, "https://%s\n", host)
	}
	fmt.Fprintf(&answer, "\n%s\n\n", header)
	_, err = io.WriteString(stdout, answer.String())
	return err
}

// status reads the status of an answer from its first line, or 0.
func status(stdin io.Reader) int {
	line, _ := bufio.NewReader(io.LimitReader(stdin, maxInput)).ReadString('\n')
	var proto string
	var code int
	if n, _ := fmt.Sscan(line, &proto, &code); n < 2 {
		return 0
	}
	return code
}
