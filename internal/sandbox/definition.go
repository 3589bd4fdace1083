package sandbox

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// definition is what a definition file says about the provider's side. It is read here once more, apart
// from the reading that the client does, so that a mistake in one of the two shows as a refusal.
type definition struct {
	Name, Title, Issuer, Resource string
	Inputs                        []struct{ Name, Pattern, Default string }
	Client                        struct{ Secret string }
	Grants                        []string
	Scopes                        struct {
		Default   []string
		Separator string
	}
	Redirect struct {
		Default    string
		HTTPS      bool
		NoLoopback bool `yaml:"no_loopback"`
		OutOfBand  bool `yaml:"out_of_band"`
	}
	Authorize           *authorizeRequest
	DeviceAuthorization *wanted `yaml:"device_authorization"`
	Token               map[string]*wanted
	Assertion           struct{ From, Audience string }
	Reply               map[string]words
	Callback            struct{ Keep []string }
	Errors              struct {
		Code, Description words
		Undocumented      bool
		Ended             []rule
	}
	Lifetimes struct {
		Access, Refresh  time.Duration
		RefreshNotBefore time.Duration `yaml:"refresh_not_before"`
	}
	Rotation string
	API      struct {
		URL, Header, Scheme string
		QueryParam          string `yaml:"query_param"`
		Headers             map[string]string
		Expired             []rule
		GraphQL             bool
	}
	WhoAmI []probe `yaml:"whoami"`
	Revoke struct {
		Request          *wanted
		FallbackEncoding string `yaml:"fallback_encoding"`
	}
	Static any
}

// authorizeRequest is the request that the user's browser makes.
type authorizeRequest struct {
	wanted   `yaml:",inline"`
	PKCE     string
	PAR      bool
	CodeLife time.Duration `yaml:"code_life"`
}

// wanted is a request as the definition describes it.
type wanted struct {
	kind                  string // a key of token, authorize or revoke
	Method, URL, Encoding string
	ClientAuth            string `yaml:"client_auth"`
	Params                map[string]words
	Standard              *bool
	Headers               map[string]string
}

type probe struct {
	Method, URL, JSON string
	Show              []struct{ Path string }
}

type rule struct {
	Status     int
	Code, Text string
}

// UnmarshalYAML reads a rule: an error code, or a mapping.
func (r *rule) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		r.Code = node.Value
		return nil
	}
	type plain rule
	return node.Decode((*plain)(r))
}

// words is a list that may be written as one word.
type words []string

// UnmarshalYAML reads one word or a list of words.
func (w *words) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*w = words{node.Value}
		return nil
	}
	return node.Decode((*[]string)(w))
}

// The kinds of requests that are not grants.
const (
	kindAuthorize = "authorize"
	kindCode      = "authorization_code"
	kindRefresh   = "refresh"
	kindRevoke    = "revoke"
	kindDevice    = "device_authorization"
	kindPoll      = "device_code"
)

// standardParams returns the parameters that the RFCs prescribe for a kind of request, with a placeholder
// for each value that differs; nil where the kind is not known.
func standardParams(kind string) map[string]string {
	return map[string]map[string]string{
		kindAuthorize: { // RFC 6749 4.1.1, RFC 8707 2.1
			"response_type": "code", "client_id": "{client_id}", "redirect_uri": "{redirect_uri}",
			"scope": "{scope}", "state": "{state}", "resource": "{resource}",
		},
		kindCode: { // RFC 6749 4.1.3
			"grant_type": "authorization_code", "code": "{code}", "redirect_uri": "{redirect_uri}", "resource": "{resource}",
		},
		kindRefresh: { // RFC 6749 6
			"grant_type": "refresh_token", "refresh_token": "{refresh_token}", "resource": "{resource}",
		},
		kindDevice: { // RFC 8628 3.1
			"client_id": "{client_id}", "scope": "{scope}", "resource": "{resource}",
		},
		kindPoll: { // RFC 8628 3.4
			"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": "{device_code}", "resource": "{resource}",
		},
		"password": { // RFC 6749 4.3.2
			"grant_type": "password", "username": "{username}", "password": "{password}", "scope": "{scope}",
		},
		"client_credentials": { // RFC 6749 4.4.2
			"grant_type": "client_credentials", "scope": "{scope}", "resource": "{resource}",
		},
		"jwt_bearer": { // RFC 7523 2.1
			"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "{assertion}",
			"scope": "{scope}", "resource": "{resource}",
		},
		"token_exchange": { // RFC 8693 2.1
			"grant_type":    "urn:ietf:params:oauth:grant-type:token-exchange",
			"subject_token": "{assertion}", "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
			"scope": "{scope}", "resource": "{resource}",
		},
		kindRevoke: { // RFC 7009 2.1
			"token": "{token}", "token_type_hint": "{token_type_hint}",
		},
	}[kind]
}

// readDefinition reads a definition that extends no other, and puts in what the RFCs say where it says
// nothing.
func readDefinition(text []byte) (*definition, error) {
	d := new(definition)
	if err := yaml.Unmarshal(text, d); err != nil {
		return nil, fmt.Errorf("the definition cannot be read: %w", err)
	}
	if d.Name == "" {
		return nil, errors.New("the definition has no name")
	}
	set(&d.Title, d.Name)
	set(&d.Scopes.Separator, " ")
	set(&d.API.URL, d.Resource)
	set(&d.API.Header, "Authorization")
	set(&d.API.Scheme, "Bearer")
	if d.Reply == nil {
		d.Reply = map[string]words{}
	}
	for _, name := range []string{"access_token", "refresh_token"} {
		if len(d.Reply[name]) == 0 {
			d.Reply[name] = words{name}
		}
	}
	if len(d.Errors.Code) == 0 {
		d.Errors.Code = words{"error"}
	}
	if len(d.Errors.Description) == 0 {
		d.Errors.Description = words{"error_description"}
	}
	if d.Authorize != nil && d.Authorize.PAR && !d.discovers() {
		return nil, errors.New("authorize.par needs an issuer or a resource, whose metadata names the endpoint")
	}
	maps.DeleteFunc(d.Token, func(_ string, w *wanted) bool { return w == nil })
	d.discovered()
	if a := d.Authorize; a != nil {
		a.kind, a.Method, a.Encoding = kindAuthorize, "GET", "query"
		if a.PKCE == "" && !a.own() {
			a.PKCE = "S256"
		}
	}
	for kind, w := range d.Token {
		if standardParams(kind) == nil {
			return nil, fmt.Errorf("the sandbox does not know token.%s", kind)
		}
		w.fillIn(kind, d.discovers())
	}
	if w := d.Revoke.Request; w != nil {
		w.fillIn(kindRevoke, d.discovers())
	}
	if w := d.DeviceAuthorization; w != nil {
		w.fillIn(kindDevice, d.discovers())
	}
	return d, d.checkInputs()
}

func set(value *string, standard string) {
	if *value == "" {
		*value = standard
	}
}

func (d *definition) discovers() bool { return d.Issuer != "" || d.Resource != "" }

func (d *definition) checkInputs() error {
	for _, input := range d.Inputs {
		if _, err := regexp.Compile(input.Pattern); err != nil {
			return fmt.Errorf("the pattern of input %s: %w", input.Name, err)
		}
	}
	return nil
}

func (w *wanted) fillIn(kind string, discovers bool) {
	w.kind = kind
	set(&w.Method, "POST")
	set(&w.Encoding, "form")
	switch {
	case w.ClientAuth != "":
	case w.own():
		w.ClientAuth = "params"
	case !discovers:
		w.ClientAuth = "basic"
	}
}

// own reports whether the request holds only the parameters that the definition lists.
func (w *wanted) own() bool { return w.Standard != nil && !*w.Standard }

// expected returns the parameters of a request: templates by name.
func (d *definition) expected(w *wanted) map[string]words {
	all := map[string]words{}
	if !w.own() {
		for name, template := range standardParams(w.kind) {
			if template != "{resource}" || d.Resource != "" {
				all[name] = words{template}
			}
		}
		if w.ClientAuth == "params" {
			all["client_id"], all["client_secret"] = words{"{client_id}"}, words{"{client_secret}"}
		}
	}
	if d.Authorize != nil && d.Authorize.PKCE == "S256" {
		switch w.kind { // RFC 7636 4.3 and 4.5
		case kindAuthorize:
			all["code_challenge"], all["code_challenge_method"] = words{"{code_challenge}"}, words{"S256"}
		case kindCode:
			all["code_verifier"] = words{"{code_verifier}"}
		}
	}
	if _, query := w.address(); len(query) > 0 && w.Encoding == "query" {
		for name, values := range query {
			all[name] = values
		}
	}
	maps.Copy(all, w.Params)
	maps.DeleteFunc(all, func(name string, templates words) bool {
		return templates == nil || d.Client.Secret == "none" && slices.Equal(templates, words{"{client_secret}"})
	})
	return all
}

// address returns the path of the request's URL, which is a template, and the query that is part of it.
func (w *wanted) address() (path string, query url.Values) { return splitAddress(w.URL) }

// splitAddress returns the path and the query of a template of an address. One that begins with a kept
// field has the path after it.
func splitAddress(address string) (path string, query url.Values) {
	_, rest, ok := strings.Cut(address, "://")
	if !ok {
		rest = address
	}
	rest, raw, _ := strings.Cut(rest, "?")
	query, _ = url.ParseQuery(raw) // the definition's own; what cannot be read is not expected
	_, path, _ = strings.Cut(rest, "/")
	return "/" + path, query
}

func (d *definition) grants(name string) bool {
	if d.Grants == nil {
		return d.Token[name] != nil || name == "static" && d.Static != nil
	}
	return slices.Contains(d.Grants, name)
}
