package cmd

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/session"
)

const maxToken = 1 << 20

type loginOptions struct {
	session.Login
	withToken, withRefreshToken, quiet bool
	inputs                             []string // NAME=VALUE
	handOver                           argv
}

func (a *app) loginCommand() *cobra.Command {
	var o loginOptions
	timeout := duration(5 * time.Minute)
	c := &cobra.Command{
		Use:        "login [ACCOUNT]",
		SuggestFor: []string{"auth", "signin", "add"},
		Short:      "Log in and keep the credential",
		Long: `Logs in and keeps the credential. The redirect URI decides how the code comes back. With an address of this
machine, tokencli listens there. With urn:ietf:wg:oauth:2.0:oob, the provider shows a code to paste. With any
other, you paste the URL that the browser ends up on. While tokencli listens, it accepts a pasted URL or code
as well, so a login also works over SSH.

With --grant device_code, if the provider supports it, you approve the login on another device, such as your
phone: tokencli shows a code and the address to open there.

The client id and secret come from --client-id, the environment, config.yaml or the stored login; on a
terminal, tokencli asks for what is missing. A secret is never taken from a flag. If you have no client and
the server registers clients (RFC 7591), tokencli registers one, which revoke deletes.

The first login to a protected resource, such as an MCP server, shows which issuer it names and asks whether
you trust it. --yes answers that question.

Without ACCOUNT, on a terminal, login lists the providers and asks which one.`,
		Example: `  tokencli login moloni-on
  tokencli login mollie/shop-b --scope payments.read,organizations.read
  tokencli login moneybird --redirect-uri urn:ietf:wg:oauth:2.0:oob
  tokencli login moloni --grant password
  tokencli login acme --grant device_code
  tokencli login mollie/live --with-token < token.txt
  tokencli login mollie --hand-over ci/save-to-github`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage("%s takes one account, got %d", cmd.CommandPath(), len(args)).WithHint("%s --help", cmd.CommandPath())
			}
			return nil
		},
		ValidArgsFunction: a.completeProviders,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := a.loginAccount(cmd.Context(), args, o.withToken || o.withRefreshToken)
			if err != nil {
				return err
			}
			o.Timeout = time.Duration(timeout)
			if o.Timeout == 0 {
				return usage("--timeout must not be 0")
			}
			return a.login(cmd.Context(), name, o)
		},
	}
	o.declare(c.Flags(), &timeout)
	a.completeLoginFlags(c)
	return c
}

func (o *loginOptions) declare(f *pflag.FlagSet, timeout *duration) {
	f.StringVar(&o.ClientID, "client-id", "", "log in as the OAuth client `ID`")
	f.StringArrayVar(&o.Scopes, "scope", nil, "request `SCOPE`, or a list of scopes; may be repeated")
	f.StringArrayVar(&o.AddScopes, "add-scope", nil, "request `SCOPE` in addition to the scopes of the stored login; may be repeated")
	f.StringArrayVar(&o.inputs, "input", nil, "use `NAME=VALUE` for an input of the definition; may be repeated")
	f.StringVar(&o.RedirectURI, "redirect-uri", "", "use the redirect `URI`, which must be registered with the client")
	f.StringVar(&o.Grant, "grant", "", "log in with `GRANT`: "+strings.Join(grants[:len(grants)-1], ", ")+" or "+grants[len(grants)-1])
	f.BoolVar(&o.Receive.NoBrowser, "no-browser", false, "do not open a browser; also read a pasted URL from stdin")
	f.StringVar(&o.Receive.Browser, "browser", "", "open the browser with `CMD`")
	f.Var(timeout, "timeout", "wait at most `DURATION` for the login")
	f.StringVar(&o.Receive.TLSCert, "tls-cert", "", "use the certificate in `FILE` for an https redirect URI of this machine")
	f.StringVar(&o.Receive.TLSKey, "tls-key", "", "use the private key in `FILE` for --tls-cert")
	f.BoolVar(&o.Yes, "yes", false, "do not ask to confirm the issuer that a protected resource names")
	f.BoolVar(&o.withToken, "with-token", false, "read a static token, such as an API key, from stdin and keep it; do not contact the provider")
	f.BoolVar(&o.withRefreshToken, "with-refresh-token", false, "read the refresh token of another tool's login from stdin, refresh once and keep the result")
	f.Var(&o.handOver, "hand-over", "pass the new login as JSON to the stdin of `CMD` and keep nothing")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print only errors, warnings and what you must open or paste")
}

func (a *app) completeLoginFlags(c *cobra.Command) {
	_ = c.RegisterFlagCompletionFunc("grant", cobra.FixedCompletions(grants, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("scope", a.completeScopes)
	_ = c.RegisterFlagCompletionFunc("add-scope", a.completeScopes)
	_ = c.RegisterFlagCompletionFunc("input", a.completeInputs)
	_ = c.RegisterFlagCompletionFunc("client-id", cobra.NoFileCompletions)
	_ = c.RegisterFlagCompletionFunc("redirect-uri", cobra.NoFileCompletions)
	_ = c.RegisterFlagCompletionFunc("timeout", cobra.NoFileCompletions)
}

// loginAccount returns the account to log in to: the argument or, on a terminal, the answer to a question.
func (a *app) loginAccount(ctx context.Context, args []string, fromStdin bool) (account.Name, error) {
	if len(args) == 0 {
		return a.askProvider(ctx, fromStdin)
	}
	name, err := account.Parse(args[0])
	if err != nil && fromStdin {
		// The argument may be the token, so it is not repeated.
		return name, usage("the token is read from stdin; the argument is not an account name").
			Advise(fail.DoReadToken, "ACCOUNT")
	}
	return name, err
}

// askProvider lists the providers and asks for an account at one of them.
func (a *app) askProvider(ctx context.Context, fromStdin bool) (account.Name, error) {
	s, err := a.open()
	if err != nil {
		return account.Name{}, err
	}
	providers, err := s.Catalog.Names()
	if err != nil {
		return account.Name{}, err
	}
	q := a.asker(ctx)
	if q == nil || fromStdin {
		return account.Name{}, usage("which account?").WithHint("e.g. tokencli login mollie; providers: %s", strings.Join(providers, ", "))
	}
	rows := make([][]string, 0, len(providers))
	for _, name := range providers {
		rows = append(rows, []string{"  " + name, title(s, name)})
	}
	fmt.Fprint(a.stderr, "Providers:\n"+table(rows))
	answer, err := q.Ask("Log in to (PROVIDER or PROVIDER/NAME)")
	if err != nil {
		return account.Name{}, err
	}
	return account.Parse(answer)
}

func (a *app) login(ctx context.Context, name account.Name, o loginOptions) error {
	set, err := a.settings()
	if err != nil {
		return err
	}
	s, err := a.open(func(so *session.Options) {
		if o.quiet {
			so.Tell = a.sayWarnings
		}
	})
	if err != nil {
		return err
	}
	if o.Receive.TLSCert == "" && o.Receive.TLSKey == "" {
		o.Receive.TLSCert, o.Receive.TLSKey = set.TLSCert, set.TLSKey
	}
	if (o.Receive.TLSCert == "") != (o.Receive.TLSKey == "") {
		return usage("the certificate and its key (--tls-cert and --tls-key) must be given together")
	}
	if err := a.readGivenToken(ctx, &o); err != nil {
		return err
	}
	if o.Inputs, err = parseInputs(o.inputs); err != nil {
		return err
	}
	o.HandOver = o.handOver.words
	o.Ask = a.asker(ctx)
	o.Receive.Environ = account.Environ(os.Environ())
	o.Receive.Stdin, o.Receive.StdinIsTerminal = a.stdin, isTerminal(a.stdin)
	o.Receive.Stderr, o.Receive.Quiet = a.stderr, o.quiet
	if isTerminal(os.Stderr) {
		o.Receive.Columns, _, _ = term.GetSize(int(os.Stderr.Fd()))
	}
	o.Receive.Columns = max(0, o.Receive.Columns-a.indent)
	o.ShowDevice = func(d session.Device) { a.showDevice(name, d, o) }
	o.Receive.SystemOpener, o.Receive.Open = browserOpener(), a.browser
	o.Receive.Next = "tokencli token " + name.String()
	c, err := s.Login(ctx, name, o.Login)
	if err != nil {
		return err
	}
	switch {
	case o.quiet:
	case o.handOver.given:
		a.say("logged in to " + name.String() + "; the login was passed to " + redact.Scrub(o.HandOver[0], 80) + " and is not stored")
	default:
		a.sayLoggedIn(name, c, s.CanRefresh(ctx, c) == nil)
	}
	if owner := s.Owner(ctx, c); owner != "" {
		a.say("this login belongs to " + owner)
	}
	return nil
}

func parseInputs(list []string) (map[string]string, error) {
	inputs := make(map[string]string, len(list))
	for _, text := range list {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, usage("--input: expected NAME=VALUE")
		}
		flag := "--input " + redact.Scrub(name, 40)
		if _, twice := inputs[name]; twice {
			return nil, usage("%s is given twice", flag)
		}
		value, err := account.Clean(flag, value)
		if err != nil {
			return nil, err
		}
		if value == "" {
			return nil, usage("%s: the value is empty", flag)
		}
		inputs[name] = value
	}
	return inputs, nil
}

// sayWarnings is Session.Tell for --quiet.
func (a *app) sayWarnings(text string) {
	if strings.HasPrefix(text, "warning:") {
		a.say(text)
	}
}

func (a *app) sayLoggedIn(name account.Name, c *session.Credential, refreshes bool) {
	text := "logged in to " + name.String()
	switch {
	case string(c.Grant) == session.GrantStatic:
		text += " with a static token; the provider was not contacted"
	case !c.AccessExpiresAt.IsZero():
		text += ", valid for " + lifetime(c)
		if refreshes {
			text += ", refreshed automatically"
		} else {
			text += "; the provider issued no refresh token"
		}
	}
	a.say(text)
	if isTerminal(os.Stderr) {
		a.say(fmt.Sprintf("next: `tokencli token %s` prints the token", name))
		if !c.RefreshExpiresAt.IsZero() {
			a.say("the login expires if unused for " + span(c.RefreshExpiresAt.Sub(c.ObtainedAt).Round(time.Second)) +
				"; `tokencli keepalive install` prevents that")
		}
	}
}

// readGivenToken reads the token that --with-token or --with-refresh-token announces.
func (a *app) readGivenToken(ctx context.Context, o *loginOptions) (err error) {
	switch {
	case o.handOver.given && len(o.handOver.words) == 0:
		return usage("--hand-over: %w", errArgv)
	case o.withToken && o.withRefreshToken, o.withToken && o.handOver.given, o.withRefreshToken && o.handOver.given:
		return usage("--with-token, --with-refresh-token and --hand-over exclude each other")
	case o.withToken && o.Grant != "" && o.Grant != session.GrantStatic:
		return usage("--with-token and --grant %s exclude each other", redact.Scrub(o.Grant, 40))
	case o.withToken:
		o.StaticToken, err = a.readToken(ctx, "--with-token", credential.Printable)
	case o.withRefreshToken:
		o.RefreshToken, err = a.readToken(ctx, "--with-refresh-token", credential.ValidRefreshToken)
	}
	return err
}

// readToken reads a token from stdin for a flag: a hidden line of a terminal, else everything.
func (a *app) readToken(ctx context.Context, flag string, valid func(string) bool) (session.Secret, error) {
	var text string
	if isTerminal(a.stdin) {
		var err error
		const label = "Token (not shown)"
		if text, err = (&asker{ctx: ctx, in: a.stdin, out: a.stderr}).prompt(label, true, true); err != nil {
			return "", err
		}
		if text, err = account.Clean("what was entered for "+label, text); err != nil {
			return "", err
		}
	} else {
		b, err := io.ReadAll(io.LimitReader(a.stdin, maxToken+1))
		if err != nil {
			return "", usage("cannot read the token from stdin: %w", err)
		}
		if len(b) > maxToken {
			return "", usage("stdin is too long for a token")
		}
		if text, err = account.Clean("stdin", string(b)); err != nil {
			return "", err
		}
	}
	if text == "" {
		return "", usage("stdin is empty; expected a token").WithHint("tokencli login ACCOUNT %s < FILE", flag)
	}
	if !valid(text) {
		return "", usage("stdin is not a token: it contains characters that are not allowed in a header")
	}
	return session.Secret(text), nil
}
