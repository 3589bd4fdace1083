package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/session"
)

// maxHeld is how much data is taken into memory before it is sent: so much can be sent once more with a
// renewed token where it came from a pipe, and is looked at to find out what it is.
const maxHeld = 1 << 20

type apiOptions struct {
	name           account.Name
	request        session.Request
	headers        []string
	data           []string
	query          string
	variables      []string
	include        bool
	discardRotated bool
}

func (a *app) apiCommand() *cobra.Command {
	var (
		o      apiOptions
		minTTL duration
	)
	c := &cobra.Command{
		Use:   "api ACCOUNT PATH",
		Short: "Ask the provider's API",
		Long: `Makes one request to the provider's API, with the token where the provider wants it, and prints what comes
back. PATH is resolved against the address of the API: users/getMe/ and /v1/users/getMe/ are the same. The
token goes nowhere else: an address on another scheme, host or port is refused.

With --data the request is a POST, as JSON where the data is JSON and as a form where it is not. @FILE is a
file and @- is stdin; several --data are joined with & as parts of a form.

The body is always printed: unchanged in a pipe or a file, with control characters escaped on a terminal. A
redirect is followed with -L only, to another host without the token. An expired token is refreshed once.

The exit code is 4 where the token is not accepted, 5 for any other refusal (a missing permission, other
4xx, errors inside a GraphQL answer), 6 for 429, 5xx and redirects that were not followed.`,
		Example: `  tokencli api mollie organizations/me
  tokencli api moloni users/getMe/
  tokencli api moloni companies/getAll/ -d human_errors=true
  tokencli api moloni-on --query '{ me { data { name } } }'
  tokencli api moneybird administrations.json -i
  tokencli api moneybird administrations.json | jq '.[].name'
  tokencli api monta charge-points --paginate > charge-points.json`,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return a.completeAccounts(cmd, args, word)
		},
		Args: func(cmd *cobra.Command, args []string) (err error) {
			asks := cmd.Flags().Changed("query")
			if len(args) == 0 || len(args) > 2 || len(args) == 1 && !asks {
				return usage("name an account and a path").WithHint("such as: tokencli api mollie organizations/me")
			}
			if len(args) == 2 {
				o.request.Path = args[1]
			}
			o.name, err = account.Parse(args[0])
			return err
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			set, err := a.settings()
			if err != nil {
				return err
			}
			o.request.MinTTL = set.MinTTL
			if cmd.Flags().Changed("min-ttl") {
				o.request.MinTTL = time.Duration(minTTL)
			}
			return a.api(cmd.Context(), o)
		},
	}
	f := c.Flags()
	f.StringVarP(&o.request.Method, "method", "X", "", "the method (default GET, or POST with --data)")
	f.StringArrayVarP(&o.headers, "header", "H", nil, "a header, 'Name: value'; may be repeated")
	f.StringArrayVarP(&o.data, "data", "d", nil, "what to send: text, @FILE, or @- for stdin")
	f.BoolVarP(&o.include, "include", "i", false, "print the status line and the headers too")
	f.BoolVarP(&o.request.Follow, "location", "L", false, "follow redirects, to another host without the token")
	f.BoolVar(&o.request.Paginate, "paginate", false, "go on with the next page as long as there is one")
	f.StringVar(&o.query, "query", "", "a GraphQL query: text, @FILE or @-")
	f.StringArrayVar(&o.variables, "var", nil, "a variable of the query, name=value: JSON or else a text; may be repeated")
	f.Var(&minTTL, "min-ttl", "renew when less than this is left (default 60s)")
	f.BoolVar(&o.discardRotated, "discard-rotated", false, "in the env store, renew even though the new refresh token is lost")
	_ = c.RegisterFlagCompletionFunc("method", cobra.FixedCompletions(
		[]string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (a *app) api(ctx context.Context, o apiOptions) error {
	if err := a.complete(&o); err != nil {
		return err
	}
	s, err := a.open(func(so *session.Options) { so.DiscardRotated = o.discardRotated })
	if err != nil {
		return err
	}
	return s.API(ctx, o.name, o.request, a.newAPIOutput(o).take)
}

// complete makes the request that the flags describe.
func (a *app) complete(o *apiOptions) error {
	r := &o.request
	var err error
	if r.Header, err = parseHeaders(o.headers); err != nil {
		return err
	}
	switch {
	case o.query == "" && len(o.variables) > 0:
		return usage("--var goes with --query")
	case o.query != "" && len(o.data) > 0:
		return usage("--query and --data are two ways to say what is sent")
	case o.query != "":
		if r.Method != "" && !strings.EqualFold(r.Method, http.MethodPost) {
			return usage("a GraphQL query is a POST")
		}
		if r.Query, err = a.text(o.query); err != nil {
			return err
		}
		r.Variables, err = parseVariables(o.variables)
		return err
	case len(o.data) > 0:
		if r.Body, err = a.body(o.data); err != nil {
			return err
		}
		if r.Header.Get("Content-Type") == "" {
			r.Header.Set("Content-Type", contentType(r.Body))
		}
		if r.Method == "" {
			r.Method = http.MethodPost
		}
	}
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	r.Method = strings.ToUpper(r.Method)
	if !token(r.Method) || r.Method == http.MethodConnect || r.Method == http.MethodTrace {
		return usage("%q is not a method of an API", redact.Scrub(r.Method, 40)).WithHint("such as GET, POST, PATCH or DELETE")
	}
	return nil
}

// token reports whether s is a token of HTTP (RFC 9110 5.6.2).
func token(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c > '~' || strings.IndexByte("\"(),/:;<=>?@[\\]{}", c) >= 0 {
			return false
		}
	}
	return s != ""
}

// ours are the headers that tokencli or the transport sets: two voices would contradict each other.
var ours = []string{
	"Connection", "Content-Length", "Expect", "Host", "Keep-Alive", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade",
}

func parseHeaders(list []string) (http.Header, error) {
	header := make(http.Header)
	for _, entry := range list {
		name, value, ok := strings.Cut(entry, ":")
		name, value = http.CanonicalHeaderKey(strings.TrimSpace(name)), strings.TrimSpace(value)
		// The entry is not quoted: its value may be a secret.
		if !ok || !token(name) {
			return nil, usage("a header is written 'Name: value'").WithHint("such as -H 'Accept-Language: pt'")
		}
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return nil, usage("the value of header %s holds a control character", name)
		}
		if name == "Authorization" {
			return nil, usage("the header Authorization is set by tokencli").
				WithHint("another login is another account: tokencli api PROVIDER/NAME PATH")
		}
		if slices.Contains(ours, name) {
			return nil, usage("the header %s cannot be set", name)
		}
		header[name] = append(header[name], value)
	}
	return header, nil
}

func parseVariables(list []string) (map[string]json.RawMessage, error) {
	variables := make(map[string]json.RawMessage)
	for _, entry := range list {
		name, value, ok := strings.Cut(entry, "=")
		if !ok || name == "" {
			return nil, usage("a variable is written name=value").WithHint("such as --var companyId=5")
		}
		if _, twice := variables[name]; twice {
			return nil, usage("the variable %s is given twice", redact.Scrub(name, 40))
		}
		text := []byte(value)
		if !json.Valid(text) {
			var err error
			if text, err = json.Marshal(value); err != nil {
				return nil, usage("the variable %s: %w", redact.Scrub(name, 40), err)
			}
		}
		variables[name] = text
	}
	return variables, nil
}

// text reads a value that may be @FILE or @-.
func (a *app) text(value string) (string, error) {
	if !strings.HasPrefix(value, "@") {
		return value, nil
	}
	body, err := a.body([]string{value})
	if err != nil {
		return "", err
	}
	if body.Text == nil {
		return "", usage("the query is longer than 1 MiB")
	}
	return string(body.Text), nil
}

// body makes the body of the request: a file is opened when it is sent, a pipe is read as far as maxHeld.
func (a *app) body(data []string) (*session.Body, error) {
	for _, text := range data {
		path, isFile := strings.CutPrefix(text, "@")
		switch {
		case !isFile:
		case len(data) > 1:
			return nil, usage("a file is all of the data; it cannot be joined with other --data")
		case path == "-":
			return held(a.stdin)
		default:
			return fileBody(path)
		}
	}
	return session.TextBody([]byte(strings.Join(data, "&"))), nil
}

func fileBody(path string) (*session.Body, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, cannotRead(err)
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = errors.New("it is a folder")
	}
	if err != nil {
		return nil, errors.Join(cannotRead(err), f.Close())
	}
	if !info.Mode().IsRegular() || info.Size() <= maxHeld {
		return held(f)
	}
	if err := f.Close(); err != nil {
		return nil, cannotRead(err)
	}
	return &session.Body{Open: func() (io.ReadCloser, error) { return os.Open(path) }, Size: info.Size()}, nil
}

// held reads what is not longer than maxHeld; beyond that it is handed on as it comes, once.
func held(f *os.File) (*session.Body, error) {
	text, err := io.ReadAll(io.LimitReader(f, maxHeld+1))
	if err != nil {
		return nil, cannotRead(err)
	}
	if len(text) <= maxHeld {
		return session.TextBody(text), nil
	}
	size := int64(-1)
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		if at, err := f.Seek(0, io.SeekCurrent); err == nil {
			size = int64(len(text)) + max(info.Size()-at, 0)
		}
	}
	return &session.Body{
		Open: func() (io.ReadCloser, error) { return io.NopCloser(io.MultiReader(bytes.NewReader(text), f)), nil },
		Size: size, Once: true,
	}, nil
}

func cannotRead(err error) error { return usage("the data cannot be read: %w", err) }

// contentType tells what the data is: JSON or a form.
func contentType(body *session.Body) string {
	if body.Text != nil && json.Valid(body.Text) {
		return "application/json"
	}
	return "application/x-www-form-urlencoded"
}
