// Package provider holds the definitions: data that says how a provider's dialect of OAuth differs from
// RFC 6749. Five are built in (builtin/*.yaml); users add their own. Nothing here opens a connection, and
// no Go code knows a provider by name.
package provider

import (
	"slices"
	"strings"
	"time"
)

// Definition is what a definition file says, with RFC 6749's own values where it says nothing. The words
// of the file are those of schema.json, which explains each. Package oauth makes from it what a request
// needs (oauth.Resolve).
type Definition struct {
	Name    string `yaml:"name"`
	Extends string `yaml:"extends"`
	Title   string `yaml:"title"`   // the provider's own spelling of its name
	Docs    string `yaml:"docs"`    // the provider's page about authorization
	Checked string `yaml:"checked"` // the day on which the facts were last compared with that page
	// Unknown lists what no source says, and what tokencli assumes instead.
	Unknown []string `yaml:"unknown"`

	Issuer   string  `yaml:"issuer"`   // RFC 8414: endpoints come from its metadata
	Resource string  `yaml:"resource"` // RFC 8707 and 9728: the protected resource that tokens are for
	Inputs   []Input `yaml:"inputs"`

	Client    Client     `yaml:"client"`
	Grants    []string   `yaml:"grants"` // the first is the default
	Scopes    Scopes     `yaml:"scopes"`
	Redirect  Redirect   `yaml:"redirect"`
	Authorize *Authorize `yaml:"authorize"`
	// DeviceAuthorization is the request of RFC 8628 3.1.
	DeviceAuthorization *Request            `yaml:"device_authorization"`
	Token               map[string]*Request `yaml:"token"` // by the keys of Requests
	Assertion           *Assertion          `yaml:"assertion"`
	Reply               Reply               `yaml:"reply"`
	Callback            Callback            `yaml:"callback"`
	Errors              Errors              `yaml:"errors"`
	Lifetimes           Lifetimes           `yaml:"lifetimes"`
	Rotation            Rotation            `yaml:"rotation"`
	API                 API                 `yaml:"api"`
	WhoAmI              []Probe             `yaml:"whoami"`
	Revoke              Revoke              `yaml:"revoke"`
	Static              Static              `yaml:"static"`

	// OpenGrants: the definition leaves it to the metadata which grants there are.
	OpenGrants bool `yaml:"-"`
	// Path is the file the definition was read from; empty for a built-in one.
	Path string `yaml:"-"`
	// Diverted: the definition extends another, but its token endpoint has another origin. A login names
	// that host, because the user may think of the provider that was extended.
	Diverted bool `yaml:"-"`
}

// Input is a value that differs from customer to customer, such as the name of a shop.
type Input struct {
	Name    string `yaml:"name"`
	Prompt  string `yaml:"prompt"`
	Pattern string `yaml:"pattern"` // RE2; matches the whole value
	Default string `yaml:"default"`
}

// Client is the registration of tokencli with the provider.
type Client struct {
	Create string `yaml:"create"` // where and how a user registers one
	Secret string `yaml:"secret"` // required, optional or none
	// MetadataURL is the address of a client id metadata document, which is then the client id.
	MetadataURL string `yaml:"metadata_url"`
}

// Scopes are the permissions to ask for.
type Scopes struct {
	Default   []string `yaml:"default"` // where the user names none
	Separator string   `yaml:"separator"`
	Note      string   `yaml:"note"` // printed where the user names none
}

// Redirect is what the provider accepts as redirect URI. A URI that the user gave is never refused; what
// speaks against it is a warning.
type Redirect struct {
	Default    string `yaml:"default"`     // empty: the user has to give one
	HTTPS      bool   `yaml:"https"`       // only https
	NoLoopback bool   `yaml:"no_loopback"` // no address of this machine
	ExactPort  bool   `yaml:"exact_port"`  // the port must be the registered one, against RFC 8252 7.3
	OutOfBand  bool   `yaml:"out_of_band"` // urn:ietf:wg:oauth:2.0:oob shows the code
}

// Authorize is the authorization request (RFC 6749 4.1.1), which the user's browser makes.
type Authorize struct {
	URL           string        `yaml:"url"`
	Params        Params        `yaml:"params"`
	Standard      *bool         `yaml:"standard"` // nil: true
	StateOptional bool          `yaml:"state_optional"`
	PKCE          string        `yaml:"pkce"` // S256 or none (RFC 7636)
	PAR           bool          `yaml:"par"`  // RFC 9126
	CodeLife      time.Duration `yaml:"code_life"`
}

// Request is one request that carries a credential.
type Request struct {
	Method     string            `yaml:"method"`
	URL        string            `yaml:"url"`
	Encoding   string            `yaml:"encoding"`    // form, json or query
	ClientAuth string            `yaml:"client_auth"` // see the constants
	Params     Params            `yaml:"params"`
	Standard   *bool             `yaml:"standard"` // nil: true
	Headers    map[string]string `yaml:"headers"`
}

// The ways to authenticate a client at the token endpoint.
const (
	Basic         = "basic"           // RFC 6749 2.3.1: both parts form-encoded first
	BasicRaw      = "basic_raw"       // as they are, for servers that do not decode
	InParams      = "params"          // client_id and client_secret among the parameters
	PrivateKeyJWT = "private_key_jwt" // RFC 7523 2.2
)

// Assertion says where the assertion (RFC 7523) or subject token (RFC 8693) of a login comes from.
type Assertion struct {
	From     string `yaml:"from"` // github_actions, env or file
	Audience string `yaml:"audience"`
	Path     string `yaml:"path"`
}

// Reply names the fields of a token reply. Each is a list of paths (`data.token`); the first that is
// present counts.
type Reply struct {
	AccessToken      Names `yaml:"access_token"`
	TokenType        Names `yaml:"token_type"`
	RefreshToken     Names `yaml:"refresh_token"`
	IDToken          Names `yaml:"id_token"`
	Scope            Names `yaml:"scope"`
	ExpiresIn        Names `yaml:"expires_in"`         // seconds
	ExpiresAt        Names `yaml:"expires_at"`         // an instant
	RefreshExpiresIn Names `yaml:"refresh_expires_in"` // seconds; 0: does not expire
	RefreshExpiresAt Names `yaml:"refresh_expires_at"` // an instant
	// Keep lists paths whose values are kept with the credential. Each is a placeholder from then on.
	Keep []string `yaml:"keep"`
}

// Callback is what the redirect brings besides the code.
type Callback struct {
	Keep []string `yaml:"keep"` // parameters to keep, as Reply.Keep
}

// Errors says how to read a refusal by a token endpoint (RFC 6749 5.2).
type Errors struct {
	Code        Names `yaml:"code"`
	Description Names `yaml:"description"`
	// Undocumented: the provider documents no error codes, so that a 400 or 401 with a JSON error that is
	// not about the client ends a login, as invalid_grant does elsewhere.
	Undocumented bool   `yaml:"undocumented"`
	Ended        []Rule `yaml:"ended"` // the login has ended
	Retry        []Rule `yaml:"retry"` // try again later; takes precedence over Ended
	RetryIn      Names  `yaml:"retry_in"`
}

// Rule recognizes a refusal. Every part that is set must match.
type Rule struct {
	Status int    `yaml:"status"`
	Code   string `yaml:"code"`
	Text   string `yaml:"text"` // part of the error's text, without regard to case
}

// Matches reports whether the refusal with this status, error code and text is the one of the rule.
func (r Rule) Matches(status int, code, text string) bool {
	return r != Rule{} &&
		(r.Status == 0 || r.Status == status) &&
		(r.Code == "" || r.Code == code) &&
		(r.Text == "" || strings.Contains(strings.ToLower(text), strings.ToLower(r.Text)))
}

// Lifetimes count where a reply states none. 0: not known, and a token is not refreshed by time.
type Lifetimes struct {
	Access  time.Duration `yaml:"access"`
	Refresh time.Duration `yaml:"refresh"`
	// RefreshNotBefore is the age of an access token before which the provider refuses to refresh it.
	RefreshNotBefore time.Duration `yaml:"refresh_not_before"`
}

// Rotation is what happens to a refresh token when it is used.
type Rotation string

// The kinds of rotation. RotatesUnknown is treated as RotatesAlways.
const (
	RotatesAlways  Rotation = "always"
	RotatesNever   Rotation = "never"
	RotatesUnknown Rotation = "unknown"
)

// API is the provider's resource server.
type API struct {
	URL string `yaml:"url"` // what a path of `api` is resolved against (RFC 3986)
	// Header and Scheme say how a token is presented: `Authorization: Bearer TOKEN` by default. Scheme may
	// be another word, none (the token alone), or basic (a static USER:PASSWORD, RFC 7617).
	Header string `yaml:"header"`
	Scheme string `yaml:"scheme"`
	// QueryParam presents the token in the query instead of a header.
	QueryParam string            `yaml:"query_param"`
	Headers    map[string]string `yaml:"headers"` // of every request to the API
	// Expired recognizes the refusal of an expired or revoked access token, besides a 401 and a 403 invalid_token.
	Expired []Rule `yaml:"expired"`
	// MissingScope is a text in the body of a 401 that is about a missing permission, not the token.
	MissingScope string `yaml:"missing_scope"`
	GraphQL      bool   `yaml:"graphql"` // the address itself takes queries (POST, JSON)
	// Errors are paths at which a reply with status 200 holds its errors; `*` is every field.
	Errors   Names     `yaml:"errors"`
	Paginate *Paginate `yaml:"paginate"` // nil: no way is known
}

// Paginate says how to find the next page of a list: by exactly one of Next, Link, Page and Offset.
type Paginate struct {
	Next   string `yaml:"next"`   // path in the reply to the address of the next page
	Link   bool   `yaml:"link"`   // the Link header with rel=next (RFC 8288)
	Page   string `yaml:"page"`   // the parameter that counts pages
	First  int    `yaml:"first"`  // its value for the first page
	Offset string `yaml:"offset"` // the parameter that counts items, from 0
	// With Page and Offset: the parameter for the size of a page, the largest size that the provider
	// allows, and the path in the reply to the list; empty: the reply is the list. A page with fewer items
	// than requested is the last.
	Size  string `yaml:"size"`
	Max   int    `yaml:"max"`
	Items string `yaml:"items"`
	// InForm: the API takes parameters in a form that is posted, not in the query.
	InForm bool `yaml:"in_form"`
}

// Probe is a harmless request that tells whose token it is.
type Probe struct {
	Method string `yaml:"method"`
	URL    string `yaml:"url"`
	JSON   string `yaml:"json"` // the body
	// Errors are paths at which a reply with status 200 holds its errors.
	Errors Names `yaml:"errors"`
	// Show is what to print, in this order.
	Show []Field `yaml:"show"`
	// On are the statuses of the first probe after which a further one is tried.
	On []int `yaml:"on"`
}

// Field is one line of what `whoami` prints.
type Field struct {
	Name string `yaml:"name"`
	Path string `yaml:"path"` // a list on the way yields all of its elements
}

// Revoke is how to end a login (RFC 7009).
type Revoke struct {
	Request *Request `yaml:"request"`
	// FallbackEncoding is tried once where the first encoding is answered with 400 or 500.
	FallbackEncoding string `yaml:"fallback_encoding"`
	// Family: revoking the refresh token ends every access token with it.
	Family bool `yaml:"family"`
	// GoneOn404: a 404 means that the endpoint does not exist (any more).
	GoneOn404 bool   `yaml:"gone_on_404"`
	Manual    string `yaml:"manual"` // where the user ends a login without tokencli
}

// Static is a token that the user makes at the provider and that is used as it is.
type Static struct {
	Create string `yaml:"create"` // where a user makes one
	Format string `yaml:"format"` // what it looks like, for help texts
}

// Has reports whether the provider has the grant.
func (d *Definition) Has(grant string) bool { return slices.Contains(d.Grants, grant) }

// SecretRequired reports whether a login cannot be made without a client secret.
func (d *Definition) SecretRequired() bool { return d.Client.Secret == "required" }

// UsesClientKey reports whether a request authenticates the client with a key in place of a secret.
func (d *Definition) UsesClientKey() bool {
	return slices.ContainsFunc(Kinds(), func(k Kind) bool {
		r := d.Request(k.Path)
		return r != nil && r.ClientAuth == PrivateKeyJWT
	})
}

// Rotates reports whether a refresh may replace the refresh token, so that losing the answer loses the
// login.
func (d *Definition) Rotates() bool { return d.Rotation != RotatesNever }
