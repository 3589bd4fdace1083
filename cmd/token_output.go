package cmd

import (
	"cmp"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/session"
)

// presenter returns how a provider's API takes the token of a credential.
type presenter func(*session.Credential) (session.Presentation, error)

// presentation refuses a format that the provider's API would not accept. raw, env and github, which
// scripts use most, need no definition.
func presentation(s *session.Session, o tokenOptions) (presenter, error) {
	if o.output == "raw" || o.output == "env" || o.output == "github" {
		return nil, nil
	}
	d, err := s.Catalog.Find(o.name.Provider) // metadata says nothing about it
	if err != nil {
		return nil, err
	}
	switch inQuery := d.API.QueryParam != ""; {
	case (o.output == "header" || o.output == "headers") && inQuery:
		return nil, usage("%s takes no Authorization header: its token goes in the query", d.Title).
			WithHint("curl \"https://...?$(tokencli token %s -o query)\"", o.given)
	case o.output == "query" && !inQuery:
		return nil, usage("%s does not take the token in the query", d.Title).
			WithHint("curl -H \"$(tokencli token %s --header)\" https://...", o.given)
	}
	return func(c *session.Credential) (session.Presentation, error) { return s.PresentationOf(d, c) }, nil
}

func (a *app) printToken(c *session.Credential, o tokenOptions, present presenter, githubEnv string) error {
	token := c.AccessToken.Reveal()
	switch o.output {
	case "env":
		return a.print(assignment(o, token) + "\n")
	case "github":
		return a.printGitHub(o, token, githubEnv)
	case "raw":
		return a.print(token + "\n")
	}
	p, err := present(c)
	if err != nil {
		return err
	}
	switch o.output {
	case "header":
		return a.print(p.Header(token) + "\n")
	case "headers":
		return a.encodeJSON(p.Headers(token), "")
	case "query":
		return a.print(p.Query(token) + "\n")
	case "curl":
		return a.print(p.CurlConfig(token))
	}
	return a.printTokenJSON(c, o, p)
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

func (a *app) printTokenJSON(c *session.Credential, o tokenOptions, p session.Presentation) error {
	answer := tokenJSON{
		Account: o.name.String(), Provider: o.name.Provider, AccessToken: c.AccessToken.Reveal(),
		TokenType: cmp.Or(c.TokenType, "Bearer"), Scope: strings.Join(c.Scopes, " "),
	}
	if !c.AccessExpiresAt.IsZero() {
		answer.ExpiresAt, answer.ExpiresIn = session.Instant(c.AccessExpiresAt), new(int64(c.AccessExpiresAt.Sub(a.now())/time.Second))
	}
	answer.Query, answer.Header = p.Query(answer.AccessToken), p.Header(answer.AccessToken)
	return a.printJSON(answer)
}

// githubEnv returns the file that sets variables for the later steps of a GitHub Actions job.
func (a *app) githubEnv(o tokenOptions) (string, error) {
	path := a.getenv("GITHUB_ENV")
	if o.output == "github" && path == "" {
		return "", usage("--output github needs GITHUB_ENV, which GitHub Actions sets")
	}
	return path, nil
}

// printGitHub masks the token before anything can print it, then sets its variable.
func (a *app) printGitHub(o tokenOptions, token, githubEnv string) error {
	if err := a.print("::add-mask::" + token + "\n"); err != nil {
		return err
	}
	file, err := os.OpenFile(githubEnv, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return usage("GITHUB_ENV: %w", err)
	}
	_, err = file.WriteString(o.given.TokenVar() + "=" + token + "\n")
	if err := errors.Join(err, file.Close()); err != nil {
		return fail.New(fail.Internal, "GITHUB_ENV: %w", err)
	}
	return nil
}

// assignment returns the line that sets the token's variable in a shell.
func assignment(o tokenOptions, token string) string {
	variable := o.given.TokenVar()
	switch o.shell {
	case "fish":
		return "set -gx " + variable + " " + shellQuote(token)
	case "powershell":
		// PowerShell reads typographic quotes as plain ones.
		double := strings.NewReplacer("'", "''", "\u2018", "\u2018\u2018", "\u2019", "\u2019\u2019", "\u201a", "\u201a\u201a", "\u201b", "\u201b\u201b")
		return "$env:" + variable + " = '" + double.Replace(token) + "'"
	}
	return "export " + variable + "=" + shellQuote(token)
}

// shellQuote quotes for POSIX shells and fish alike. They differ inside single quotes, where fish takes a
// backslash before a quote or another backslash for an escape, so both characters are escaped outside.
func shellQuote(s string) string {
	return "'" + strings.NewReplacer("'", `'\''`, `\`, `'\\'`).Replace(s) + "'"
}
