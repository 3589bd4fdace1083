// Package provider holds the definitions: data that says how each provider's dialect of OAuth differs
// from the standard. The built-in ones are in builtin/*.yaml; a user may add others. Nothing here
// talks to a network, and nothing in Go code knows a provider by name.
package provider

import (
	"net/url"
	"slices"
	"time"
)

// Definition describes one provider. A field that is empty means what RFC 6749 says, where it says
// something.
type Definition struct {
	Name    string `yaml:"name"`    // as in an account's name
	Title   string `yaml:"title"`   // as the provider writes itself
	Docs    string `yaml:"docs"`    // the provider's own page about its authorization
	Checked string `yaml:"checked"` // the day on which the facts were last compared with it
	// Unknown lists what no source tells and how it is dealt with, for `provider show`.
	Unknown []string `yaml:"unknown,omitempty"`

	Client    Client     `yaml:"client"`
	Grants    []string   `yaml:"grants"` // the first is the default
	Scopes    Scopes     `yaml:"scopes,omitempty"`
	Redirect  Redirect   `yaml:"redirect,omitempty"`
	Authorize *Authorize `yaml:"authorize,omitempty"`
	Token     Token      `yaml:"token"`
	Reply     Reply      `yaml:"reply,omitempty"`
	Errors    Errors     `yaml:"errors,omitempty"`
	Lifetimes Lifetimes  `yaml:"lifetimes,omitempty"`
	// Rotation tells whether a renewal replaces the refresh token: always, never, or unknown, which is
	// treated as always.
	Rotation Rotation `yaml:"rotation,omitempty"`
	API      API      `yaml:"api,omitempty"`
	WhoAmI   []Probe  `yaml:"whoami,omitempty"`
	Revoke   Revoke   `yaml:"revoke"`
	Static   Static   `yaml:"static,omitempty"`

	// Path is the file the definition was read from; empty for a built-in one.
	Path string `yaml:"-"`

	// written is the definition before At moved it, and base is where it was moved to; both are nil for
	// one that At left where it was.
	written *Definition
	base    *url.URL
}

// Client is the registration of tokencli with the provider.
type Client struct {
	Create string `yaml:"create"` // where and how a user makes one
	Secret string `yaml:"secret"` // required, optional or none
}

// Scopes are the permissions asked for.
type Scopes struct {
	Default   []string `yaml:"default,omitempty"`   // asked for when the user names none
	Separator string   `yaml:"separator,omitempty"` // a space when empty
	Note      string   `yaml:"note,omitempty"`      // said to a user who names none
}

// Redirect is what the provider accepts as redirect URI. A URI that the user gave is never refused;
// what speaks against it is a warning.
type Redirect struct {
	Default string `yaml:"default,omitempty"` // empty: the user has to give one
	// HTTPS: only https addresses are accepted. NoLoopback: addresses of this machine are not.
	// ExactPort: the port must be the registered one (against RFC 8252 7.3).
	HTTPS      bool `yaml:"https,omitempty"`
	NoLoopback bool `yaml:"no_loopback,omitempty"`
	ExactPort  bool `yaml:"exact_port,omitempty"`
	OutOfBand  bool `yaml:"out_of_band,omitempty"` // urn:ietf:wg:oauth:2.0:oob shows the code
}

// Authorize is the authorization request (RFC 6749 4.1.1), which the user's browser makes.
type Authorize struct {
	URL  string `yaml:"url"`
	Send Params `yaml:"send,omitempty"`
	// StateOptional: a reply without state is accepted, with a warning and after the owner was named.
	StateOptional bool `yaml:"state_optional,omitempty"`
	// PKCE is the challenge method of RFC 7636: S256 or none.
	PKCE     string        `yaml:"pkce,omitempty"`
	CodeLife time.Duration `yaml:"code_life,omitempty"` // 0: not known
}

// Token holds the requests to the token endpoint, by what they are for.
type Token struct {
	AuthorizationCode *Request `yaml:"authorization_code,omitempty"`
	Refresh           *Request `yaml:"refresh,omitempty"`
	Password          *Request `yaml:"password,omitempty"`
	ClientCredentials *Request `yaml:"client_credentials,omitempty"`
}

// Params are the parameters of a request: wire names and templates. The set is complete: what is not
// named is not sent. A value may hold placeholders such as {client_id}; a parameter whose value is one
// placeholder with nothing to put there is left out.
type Params map[string]string

// Request is one request that carries a credential.
type Request struct {
	Method   string `yaml:"method,omitempty"`   // POST when empty
	URL      string `yaml:"url"`                //
	Encoding string `yaml:"encoding,omitempty"` // where the parameters go: form (default), json or query
	// ClientAuth is basic (RFC 6749 2.3.1), or params when the client's id and secret are among the
	// parameters, if anywhere.
	ClientAuth string            `yaml:"client_auth,omitempty"`
	Send       Params            `yaml:"send,omitempty"`
	Headers    map[string]string `yaml:"headers,omitempty"`
}

// Reply names the fields of a token reply. Each is a list of paths (`data.token`), of which the first
// that is there counts.
type Reply struct {
	AccessToken      Names `yaml:"access_token,omitempty"`
	TokenType        Names `yaml:"token_type,omitempty"`
	RefreshToken     Names `yaml:"refresh_token,omitempty"`
	Scope            Names `yaml:"scope,omitempty"`
	ExpiresIn        Names `yaml:"expires_in,omitempty"`         // seconds
	ExpiresAt        Names `yaml:"expires_at,omitempty"`         // an instant
	RefreshExpiresIn Names `yaml:"refresh_expires_in,omitempty"` // seconds
	RefreshExpiresAt Names `yaml:"refresh_expires_at,omitempty"` // an instant
}

// Errors tells how a refusal reads (RFC 6749 5.2).
type Errors struct {
	Code        Names `yaml:"code,omitempty"`
	Description Names `yaml:"description,omitempty"`
	// Undocumented: the provider does not say which codes there are, so a 400 or 401 with a JSON error
	// that does not speak of the client ends a login, as invalid_grant does elsewhere.
	Undocumented bool     `yaml:"undocumented,omitempty"`
	Later        []string `yaml:"later,omitempty"` // codes that ask to come back later
	// RetryIn are paths to the seconds after which to come back, for want of a Retry-After header.
	RetryIn Names `yaml:"retry_in,omitempty"`
}

// Lifetimes count when a reply does not tell. 0: not known, and then a token is not renewed by time.
type Lifetimes struct {
	Access  time.Duration `yaml:"access,omitempty"`
	Refresh time.Duration `yaml:"refresh,omitempty"`
}

// Rotation is what happens to a refresh token when it is used.
type Rotation string

// The kinds of rotation.
const (
	RotatesAlways  Rotation = "always"
	RotatesNever   Rotation = "never"
	RotatesUnknown Rotation = "unknown"
)

// API is the provider's resource server.
type API struct {
	URL string `yaml:"url,omitempty"` // what a path of `api` is resolved against (RFC 3986)
	// QueryParam is the query parameter that takes the access token, for a provider that takes no
	// Authorization header.
	QueryParam string `yaml:"query_param,omitempty"`
	// MissingScope is a text in the body of a 401 that says a permission is missing, not that the token
	// is dead.
	MissingScope string `yaml:"missing_scope,omitempty"`
	// GraphQL: the address itself takes queries (POST, JSON).
	GraphQL bool `yaml:"graphql,omitempty"`
	// Errors are paths at which a reply with status 200 holds its errors; `*` is every field.
	Errors   Names     `yaml:"errors,omitempty"`
	Paginate *Paginate `yaml:"paginate,omitempty"` // nil: no way is known
}

// Paginate tells how the next page of a list is found. One of Next, Link, Page and Offset says so.
type Paginate struct {
	Next   string `yaml:"next,omitempty"`   // path in the reply to the address of the next page
	Link   bool   `yaml:"link,omitempty"`   // the Link header names it with rel=next (RFC 8288)
	Page   string `yaml:"page,omitempty"`   // the parameter that counts pages
	First  int    `yaml:"first,omitempty"`  // its value for the first page
	Offset string `yaml:"offset,omitempty"` // the parameter that counts items, from 0
	// With Page and Offset: the parameter for the size of a page, the largest size that the provider
	// gives, and the path in the reply to the list; empty: the reply is the list. A page with fewer items
	// than were asked for is the last.
	Size  string `yaml:"size,omitempty"`
	Max   int    `yaml:"max,omitempty"`
	Items string `yaml:"items,omitempty"`
}

// Probe is a harmless request that tells whose token it is.
type Probe struct {
	Method string `yaml:"method,omitempty"` // GET when empty
	URL    string `yaml:"url"`
	JSON   string `yaml:"json,omitempty"` // a JSON body
	// Errors are paths at which a reply with status 200 holds its errors.
	Errors Names `yaml:"errors,omitempty"`
	// Show is what to tell, in this order.
	Show []Field `yaml:"show,omitempty"`
	// On limits a second probe to the statuses of the first after which it is tried.
	On []int `yaml:"on,omitempty"`
}

// Field is one line of what `whoami` tells.
type Field struct {
	Name string `yaml:"name"`
	Path string `yaml:"path"` // a list on the way yields all of its elements
}

// Revoke is how a login is ended (RFC 7009).
type Revoke struct {
	Request *Request `yaml:"request,omitempty"`
	// Retry is a second encoding, tried once when the first is answered with 400 or 500.
	Retry string `yaml:"retry,omitempty"`
	// Family: revoking the refresh token ends every access token with it.
	Family bool `yaml:"family,omitempty"`
	// GoneOn404: a 404 means that there is no such endpoint (any more), so the login is ended by hand.
	GoneOn404 bool   `yaml:"gone_on_404,omitempty"`
	ByHand    string `yaml:"by_hand"` // where the user ends a login without tokencli
}

// Static is a token made by hand at the provider, used as it is.
type Static struct {
	Create string `yaml:"create,omitempty"` // where a user makes one
	Looks  string `yaml:"looks,omitempty"`  // what it looks like, for the help
}

// Has reports whether the provider has the grant.
func (d *Definition) Has(grant string) bool { return slices.Contains(d.Grants, grant) }

// SecretRequired reports whether a login cannot be made without a client secret.
func (d *Definition) SecretRequired() bool {
	return d.Client.Secret != "optional" && d.Client.Secret != "none"
}

// Rotates reports whether a renewal may replace the refresh token, so that losing the answer loses the
// login.
func (d *Definition) Rotates() bool { return d.Rotation != RotatesNever }
