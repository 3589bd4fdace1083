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

	"github.com/spf13/cobra"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/apiclient"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/redact"
)

// maxHeld is how much data is read into memory before it is sent. Data from a pipe can be sent again, with a
// refreshed token, only if it is no longer than that.
const maxHeld = 1 << 20

type apiOptions struct {
	name      account.Name
	request   apiclient.Request
	headers   []string
	data      []string
	query     string
	variables []string
	include   bool
	minTTL    minTTL
	rotation  rotation
}

func (a *app) apiCommand() *cobra.Command {
	var o apiOptions
	c := &cobra.Command{
		Use:   "api ACCOUNT PATH",
		Short: "Send a request to the provider's API",
		Long: `Sends one request to the provider's API, with the token presented the provider's way, and prints the answer.
PATH is resolved against the API's address: users/getMe/ and /v1/users/getMe/ are the same. The token is sent
nowhere else: an address with another scheme, host or port is refused.

With --data the request is a POST, of JSON if the data is JSON, else of a form. @FILE is a file and @- is
stdin; several --data are joined with &.

The body is always printed: unchanged in a pipe or a file, with control characters escaped on a terminal. A
redirect is followed with -L only, to another host without the token. An expired token is refreshed once.

The exit code is 4 if the token is not accepted, 5 for any other refusal (a missing permission, another 4xx,
errors inside a GraphQL answer), 6 for 429, 5xx and a redirect that was not followed.`,
		Example: `  tokencli api mollie organizations/me
  tokencli api moloni users/getMe/
  tokencli api moloni companies/getAll/ -d human_errors=true
  tokencli api moloni-on --query '{ me { data { name } } }'
  tokencli api moneybird administrations.json -i
  tokencli api moneybird administrations.json | jq '.[].name'
  tokencli api monta charge-points --paginate > charge-points.json`,
		ValidArgsFunction: a.completeAccount,
		Args: func(cmd *cobra.Command, args []string) (err error) {
			asks := cmd.Flags().Changed("query")
			if len(args) == 0 || len(args) > 2 || len(args) == 1 && !asks {
				return usage("which account and path?").Advise(fail.DoGivePath)
			}
			if len(args) == 2 {
				o.request.Path = args[1]
			}
			o.name, err = account.Parse(args[0])
			return err
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return a.api(cmd.Context(), o) },
	}
	o.bind(c)
	return c
}

func (o *apiOptions) bind(c *cobra.Command) {
	f := c.Flags()
	f.StringVarP(&o.request.Method, "method", "X", "", "use `METHOD` (default GET, or POST with --data)")
	f.StringArrayVarP(&o.headers, "header", "H", nil, "send `HEADER`, 'Name: value'; may be repeated")
	f.StringArrayVarP(&o.data, "data", "d", nil, "send the body `TEXT`, @FILE, or @- for stdin; may be repeated")
	f.BoolVarP(&o.include, "include", "i", false, "print the status line and the headers too")
	f.BoolVarP(&o.request.Follow, "location", "L", false, "follow redirects, to another host without the token")
	f.BoolVar(&o.request.Paginate, "paginate", false, "request the following pages too")
	f.StringVar(&o.query, "query", "", "send the GraphQL `QUERY`: text, @FILE, or @- for stdin")
	f.StringArrayVar(&o.variables, "var", nil, "set a variable of the query to `NAME=VALUE`, where VALUE is JSON or else a string; may be repeated")
	o.minTTL.declare(f)
	o.rotation.declare(f)
	_ = c.RegisterFlagCompletionFunc("method", cobra.FixedCompletions(
		[]string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"}, cobra.ShellCompDirectiveNoFileComp))
}

func (a *app) api(ctx context.Context, o apiOptions) error {
	set, err := a.settings()
	if err != nil {
		return err
	}
	if o.name, err = a.chosen(o.name); err != nil {
		return err
	}
	if err := a.complete(ctx, &o); err != nil {
		return err
	}
	s, err := a.open(o.rotation.apply(a))
	if err != nil {
		return err
	}
	client, err := s.API(ctx, o.name, o.minTTL.or(set.MinTTL))
	if err != nil {
		return err
	}
	return client.Do(ctx, o.request, a.newAPIOutput(o).take)
}

// complete makes the request that the flags describe.
func (a *app) complete(ctx context.Context, o *apiOptions) error {
	r := &o.request
	var err error
	if r.Header, err = parseHeaders(o.headers); err != nil {
		return err
	}
	switch {
	case o.query == "" && len(o.variables) > 0:
		return usage("--var needs --query")
	case o.query != "" && len(o.data) > 0:
		return usage("--query and --data cannot be used together")
	case o.query != "":
		if r.Method != "" && !strings.EqualFold(r.Method, http.MethodPost) {
			return usage("a GraphQL query is a POST")
		}
		if r.Query, err = a.text(ctx, o.query); err != nil {
			return err
		}
		r.Variables, err = parseVariables(o.variables)
		return err
	case len(o.data) > 0:
		if r.Body, err = a.body(ctx, o.data); err != nil {
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
	if !provider.IsToken(r.Method) || r.Method == http.MethodConnect || r.Method == http.MethodTrace {
		return usage("%q cannot be used as a method; use GET, POST, PATCH, DELETE or the like", redact.Scrub(r.Method, 40))
	}
	return nil
}

// ours are the headers that tokencli or net/http sets.
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
		if !ok || !provider.IsToken(name) {
			return nil, usage("a header is written 'Name: value', such as 'Accept-Language: pt'")
		}
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return nil, usage("the value of header %s contains a control character", name)
		}
		if name == "Authorization" {
			return nil, usage("tokencli sets the header Authorization itself")
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
			return nil, usage("a variable is written NAME=VALUE, such as companyId=5")
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
func (a *app) text(ctx context.Context, value string) (string, error) {
	if !strings.HasPrefix(value, "@") {
		return value, nil
	}
	body, err := a.body(ctx, []string{value})
	if err != nil {
		return "", err
	}
	if body.Text == nil {
		return "", usage("the query is longer than 1 MiB")
	}
	return string(body.Text), nil
}

// body makes the body of the request: a file is opened when it is sent, up to maxHeld of a pipe is read.
func (a *app) body(ctx context.Context, data []string) (*apiclient.Body, error) {
	for _, text := range data {
		path, isFile := strings.CutPrefix(text, "@")
		switch {
		case !isFile:
		case len(data) > 1:
			return nil, usage("@FILE cannot be combined with other --data")
		case path == "-":
			return interruptible(ctx, func() (*apiclient.Body, error) { return held(a.stdin) })
		default:
			return interruptible(ctx, func() (*apiclient.Body, error) { return fileBody(path) })
		}
	}
	return apiclient.TextBody([]byte(strings.Join(data, "&"))), nil
}

// interruptible returns as soon as ctx is cancelled: reading a pipe, and even opening a named one, may take forever.
func interruptible(ctx context.Context, read func() (*apiclient.Body, error)) (*apiclient.Body, error) {
	type result struct {
		body *apiclient.Body
		err  error
	}
	done := make(chan result, 1)
	go func() {
		body, err := read()
		done <- result{body, err}
	}()
	select {
	case r := <-done:
		return r.body, r.err
	case <-ctx.Done():
		return nil, fail.New(fail.Interrupted, "interrupted")
	}
}

func fileBody(path string) (*apiclient.Body, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, cannotRead(err)
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = errors.New("is a folder")
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
	return &apiclient.Body{Open: func() (io.ReadCloser, error) { return os.Open(path) }, Size: info.Size()}, nil
}

// held reads up to maxHeld; more than that is passed on as it arrives, once.
func held(f *os.File) (*apiclient.Body, error) {
	text, err := io.ReadAll(io.LimitReader(f, maxHeld+1))
	if err != nil {
		return nil, cannotRead(err)
	}
	if len(text) <= maxHeld {
		return apiclient.TextBody(text), nil
	}
	size := int64(-1)
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		if at, err := f.Seek(0, io.SeekCurrent); err == nil {
			size = int64(len(text)) + max(info.Size()-at, 0)
		}
	}
	return &apiclient.Body{
		Open: func() (io.ReadCloser, error) { return io.NopCloser(io.MultiReader(bytes.NewReader(text), f)), nil },
		Size: size, Once: true,
	}, nil
}

func cannotRead(err error) error { return usage("could not read the data: %w", err) }

// contentType returns the type of the data: JSON or a form.
func contentType(body *apiclient.Body) string {
	if body.Text != nil && json.Valid(body.Text) {
		return "application/json"
	}
	return "application/x-www-form-urlencoded"
}
