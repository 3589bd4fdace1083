package cmd

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/session"
)

// maxToken bounds a token that is read from stdin.
const maxToken = 1 << 20

type loginOptions struct {
	session.Login
	withToken bool
}

func (a *app) loginCommand() *cobra.Command {
	var o loginOptions
	timeout := duration(5 * time.Minute)
	c := &cobra.Command{
		Use:        "login ACCOUNT",
		SuggestFor: []string{"auth", "signin", "add"},
		Short:      "Log in and keep the credential",
		Long: `Logs in and keeps the credential. The redirect URI decides how the code comes back: an address of this
machine gets a listener, urn:ietf:wg:oauth:2.0:oob means that the provider shows a code to paste, and with
any other you paste the address on which the browser landed. While a listener waits, a pasted address or
code is accepted as well, so a login works over SSH too.

The client id and secret come from --client-id, the environment, config.yaml, the stored login or, on a
terminal, from you; a secret is never taken from a flag.`,
		Example: `  tokencli login moloni-on
  tokencli login mollie/shop-b --scope payments.read,organizations.read
  tokencli login moneybird --redirect-uri urn:ietf:wg:oauth:2.0:oob
  tokencli login moloni --grant password
  tokencli login mollie/live --with-token < token.txt`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("name one account").WithHint("such as mollie or mollie/shop-b")
			}
			return nil
		},
		ValidArgsFunction: a.completeProviders,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := account.Parse(args[0])
			if err != nil && o.withToken {
				// What stands there may be the token, and is not repeated.
				return usage("--with-token reads the token from stdin; the argument is not an account name").
					WithHint("tokencli login ACCOUNT --with-token < FILE")
			}
			if err != nil {
				return err
			}
			o.Timeout = time.Duration(timeout)
			if o.Timeout == 0 {
				return usage("--timeout must not be 0")
			}
			return a.login(cmd, name, o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.ClientID, "client-id", "", "the client that you registered with the provider")
	f.StringArrayVar(&o.Scopes, "scope", nil, "a scope, or a list of them; may be repeated")
	f.StringVar(&o.RedirectURI, "redirect-uri", "", "the redirect URI that is registered with the client")
	f.StringVar(&o.Grant, "grant", "", "authorization_code, password or client_credentials")
	f.BoolVar(&o.Receive.NoBrowser, "no-browser", false, "open no browser; a pasted address is also read from stdin")
	f.StringVar(&o.Receive.Browser, "browser", "", "the command that opens the browser")
	f.Var(&timeout, "timeout", "how long to wait for you")
	f.StringVar(&o.Receive.TLSCert, "tls-cert", "", "certificate for an https redirect URI on this machine")
	f.StringVar(&o.Receive.TLSKey, "tls-key", "", "its key")
	f.BoolVar(&o.withToken, "with-token", false, "read a static token from stdin and keep it as it is")
	_ = c.RegisterFlagCompletionFunc("grant", cobra.FixedCompletions(
		[]string{"authorization_code", "password", "client_credentials"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (a *app) login(cmd *cobra.Command, name account.Name, o loginOptions) error {
	s, err := a.open()
	if err != nil {
		return err
	}
	if (o.Receive.TLSCert == "") != (o.Receive.TLSKey == "") {
		return usage("--tls-cert and --tls-key go together")
	}
	if o.withToken {
		if o.Grant != "" && o.Grant != session.GrantStatic {
			return usage("--with-token and --grant %s are different ways to log in", redact.Scrub(o.Grant, 40))
		}
		if o.StaticToken, err = a.readToken(cmd.Context()); err != nil {
			return err
		}
	}
	o.Ask = a.asker(cmd.Context())
	o.Receive.Environ = account.Environ(os.Environ())
	o.Receive.Stdin, o.Receive.StdinIsTerminal = a.stdin, isTerminal(a.stdin)
	o.Receive.Stderr = a.stderr
	if isTerminal(os.Stderr) {
		o.Receive.Columns, _, _ = term.GetSize(int(os.Stderr.Fd()))
	}
	o.Receive.SystemOpener = browserOpener()
	o.Receive.Next = "tokencli token " + name.String()
	c, err := s.Login(cmd.Context(), name, o.Login)
	if err != nil {
		return err
	}
	text := "logged in to " + name.String()
	switch {
	case string(c.Grant) == session.GrantStatic:
		text += " with a static token; the provider was not asked"
	case !c.AccessExpiresAt.IsZero():
		text += ", valid for " + lifeOf(c)
		if s.CanRefresh(c) == nil {
			text += " and renewed from then on"
		} else {
			text += " and then over: no refresh token came with it"
		}
	}
	a.say(text)
	if owner := s.Owner(cmd.Context(), c); owner != "" {
		a.say("this login belongs to " + owner)
	}
	if isTerminal(os.Stderr) {
		a.say(fmt.Sprintf("next: `tokencli token %s` prints the token", name))
		if !c.RefreshExpiresAt.IsZero() {
			a.say("unused for " + span(c.RefreshExpiresAt.Sub(c.ObtainedAt).Round(time.Second)) + " the login ends; `tokencli keepalive install` prevents that")
		}
	}
	return nil
}

// readToken reads a static token from stdin: from a person without showing it, else all there is.
func (a *app) readToken(ctx context.Context) (session.Secret, error) {
	var text string
	if isTerminal(a.stdin) {
		var err error
		if text, err = (&asker{ctx: ctx, in: a.stdin, out: a.stderr}).prompt("Token (not shown)", true, true); err != nil {
			return "", err
		}
	} else {
		b, err := io.ReadAll(io.LimitReader(a.stdin, maxToken+1))
		if err != nil {
			return "", usage("the token cannot be read from stdin: %w", err)
		}
		if len(b) > maxToken {
			return "", usage("what stdin holds is too long for a token")
		}
		text = strings.TrimSpace(string(b))
	}
	if text == "" {
		return "", usage("there is no token on stdin").WithHint("tokencli login ACCOUNT --with-token < FILE")
	}
	token := session.Secret(text)
	if !token.Printable() {
		return "", usage("what stdin holds is no token: it has characters that cannot stand in a header")
	}
	return token, nil
}
