package cmd

import (
	"cmp"
	"context"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/session"
)

// outputs are the values of --output.
var outputs = []string{"raw", "header", "query", "json", "env", "curl"}

func badOutput(s string) *fail.Error {
	return usage("there is no output %q", redact.Scrub(s, 40)).WithHint("--output is one of %s", strings.Join(outputs, ", "))
}

// tokenFlags are the flags of `token`, declared once for both ways to run it.
type tokenFlags struct {
	output         string
	minTTL         duration
	header, asJSON bool
	rotation       rotation
}

func (t *tokenFlags) declare(f *pflag.FlagSet) {
	f.StringVarP(&t.output, "output", "o", "", "raw, header, query, json, env or curl (default raw, or TOKENCLI_OUTPUT)")
	f.BoolVar(&t.header, "header", false, "the same as --output header")
	f.BoolVar(&t.asJSON, "json", false, "the same as --output json")
	f.Var(&t.minTTL, "min-ttl", "renew when less than this is left (default 60s)")
	t.rotation.declare(f)
}

// tokenOptions are flags and settings together.
type tokenOptions struct {
	name     account.Name
	output   string
	minTTL   time.Duration
	rotation rotation
}

func (t *tokenFlags) options(set *settings, name account.Name, minTTLGiven bool) (tokenOptions, error) {
	o := tokenOptions{name: name, output: t.output, minTTL: set.MinTTL, rotation: t.rotation}
	switch {
	case t.header && t.asJSON || t.output != "" && (t.header && t.output != "header" || t.asJSON && t.output != "json"):
		return o, usage("--output, --header and --json name different outputs")
	case t.header:
		o.output = "header"
	case t.asJSON:
		o.output = "json"
	case t.output == "":
		o.output = cmp.Or(set.Output, "raw")
	}
	if !slices.Contains(outputs, o.output) {
		return o, badOutput(o.output)
	}
	if minTTLGiven {
		o.minTTL = time.Duration(t.minTTL)
	}
	return o, nil
}

func (a *app) tokenCommand() *cobra.Command {
	var flags tokenFlags
	c := &cobra.Command{
		Use:        "token ACCOUNT",
		SuggestFor: []string{"get", "print", "access-token"},
		Short:      "Print a valid access token",
		Long: `Prints a valid access token, renewing it first when less than --min-ttl of its life is left.

The output is one of
  raw     the token (default)
  header  Authorization: Bearer TOKEN
  query   access_token=TOKEN, for a provider that takes it in the query (Moloni)
  json    everything that is known about it
  env     export MOLLIE_ACCESS_TOKEN='...', safe to eval
  curl    a curl config line, so that the token is on no command line`,
		Example: `  tokencli token mollie
  curl -H "$(tokencli token mollie --header)" https://api.mollie.com/v2/organizations/me
  curl "https://api.moloni.pt/v1/companies/getAll/?$(tokencli token moloni -o query)"
  curl -K <(tokencli token mollie -o curl) https://api.mollie.com/v2/organizations/me
  eval "$(tokencli token monta -o env)"`,
		Args:              oneAccount,
		ValidArgsFunction: a.completeAccounts,
		RunE: func(cmd *cobra.Command, args []string) error {
			set, err := a.settings()
			if err != nil {
				return err
			}
			name, err := account.Parse(args[0])
			if err != nil {
				return err
			}
			o, err := flags.options(set, name, cmd.Flags().Changed("min-ttl"))
			if err != nil {
				return err
			}
			return a.token(cmd.Context(), o)
		},
	}
	flags.declare(c.Flags())
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(outputs, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// quickToken is the short way of `token ACCOUNT`, which stands in prompts and loops: building the tree of
// commands would cost as much as the rest. done is false for whatever is not plain, such as a wrong flag or
// a cry for help; that takes the ordinary way, from its beginning.
func (a *app) quickToken(ctx context.Context, args []string) (code int, done bool) {
	if len(args) < 2 || args[0] != "token" {
		return 0, false
	}
	ctx = a.traced(ctx)
	var flags tokenFlags
	f := pflag.NewFlagSet("token", pflag.ContinueOnError)
	f.SetOutput(io.Discard)
	flags.declare(f)
	if f.Parse(args[1:]) != nil || f.NArg() != 1 {
		return 0, false
	}
	name, err := account.Parse(f.Arg(0))
	if err != nil {
		return 0, false
	}
	set, err := a.settings()
	if err != nil {
		return 0, false
	}
	o, err := flags.options(set, name, f.Changed("min-ttl"))
	if err == nil {
		err = a.token(ctx, o)
	}
	if err != nil {
		return a.report(err), true
	}
	return 0, true
}

func (a *app) token(ctx context.Context, o tokenOptions) error {
	s, err := a.open(o.rotation.apply(a))
	if err != nil {
		return err
	}
	queryParam, err := a.presentation(s, o)
	if err != nil {
		return err
	}
	c, err := s.Token(ctx, o.name, o.minTTL)
	if unsaved := session.Unsaved(err); unsaved != nil {
		c = unsaved // its token is printed, and the failure is reported after it
	} else if err != nil {
		return err
	}
	if printErr := a.printToken(c, o, queryParam); printErr != nil {
		return printErr
	}
	return err
}

// presentation returns the query parameter that takes the token, empty for a header, and refuses an
// output that does not fit. How a token is presented matters for some outputs alone; raw, the one that
// stands in scripts, does without the definition.
func (a *app) presentation(s *session.Session, o tokenOptions) (queryParam string, err error) {
	if o.output == "raw" || o.output == "env" {
		return "", nil
	}
	d, err := s.Definition(o.name.Provider)
	if err != nil {
		return "", err
	}
	return d.API.QueryParam, fits(o, d.Title, d.API.QueryParam)
}

func (a *app) printToken(c *session.Credential, o tokenOptions, queryParam string) error {
	token := c.AccessToken.Reveal()
	switch o.output {
	case "header":
		return a.print("Authorization: Bearer " + token + "\n")
	case "query":
		return a.print(query(queryParam, token) + "\n")
	case "env":
		return a.print("export " + o.name.TokenVar() + "=" + shellQuote(token) + "\n")
	case "curl":
		if queryParam != "" {
			// curl encodes what follows the equals sign.
			return a.print("url-query = " + curlQuote(queryParam+"="+token) + "\n")
		}
		return a.print("header = " + curlQuote("Authorization: Bearer "+token) + "\n")
	case "json":
		answer := tokenJSON{
			Account: o.name.String(), Provider: o.name.Provider, AccessToken: token,
			TokenType: cmp.Or(c.TokenType, "Bearer"), Scope: strings.Join(c.Scopes, " "),
		}
		if !c.AccessExpiresAt.IsZero() {
			at, in := c.AccessExpiresAt.UTC().Format(time.RFC3339), int64(c.AccessExpiresAt.Sub(a.now())/time.Second)
			answer.ExpiresAt, answer.ExpiresIn = &at, &in
		}
		if queryParam != "" {
			answer.Query = query(queryParam, token)
		} else {
			answer.Header = "Authorization: Bearer " + token
		}
		return a.printJSON(answer)
	}
	return a.print(token + "\n")
}

// fits refuses an output that the provider's API would not accept, and names the one that works.
func fits(o tokenOptions, title, queryParam string) error {
	switch {
	case o.output == "header" && queryParam != "":
		return usage("%s takes no Authorization header: its token goes in the query", title).
			WithHint("curl \"https://...?$(tokencli token %s -o query)\"", o.name)
	case o.output == "query" && queryParam == "":
		return usage("%s takes no token in the query", title).
			WithHint("curl -H \"$(tokencli token %s --header)\" https://...", o.name)
	}
	return nil
}

type tokenJSON struct {
	Account     string  `json:"account"`
	Provider    string  `json:"provider"`
	AccessToken string  `json:"access_token"`
	TokenType   string  `json:"token_type"`
	ExpiresAt   *string `json:"expires_at"`
	ExpiresIn   *int64  `json:"expires_in"`
	Scope       string  `json:"scope"`
	Header      string  `json:"header,omitempty"`
	Query       string  `json:"query,omitempty"`
}

func query(param, token string) string { return param + "=" + url.QueryEscape(token) }

// shellQuote quotes for POSIX shells: in single quotes nothing is special but the quote itself.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// curlQuote quotes for a curl config file.
func curlQuote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
