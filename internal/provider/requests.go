package provider

import (
	"maps"
	"slices"
)

// The keys of Definition.Token that other packages name. Each is also the name of its grant, but for
// Refresh.
const (
	AuthorizationCode = "authorization_code"
	DeviceCode        = "device_code"
	Refresh           = "refresh"
	Password          = "password"
	ClientCredentials = "client_credentials"
	JWTBearer         = "jwt_bearer"
	TokenExchange     = "token_exchange"
	StaticToken       = "static" // a grant without a request
)

// Kind is what the RFCs prescribe for one kind of request.
type Kind struct {
	Path  string // where a definition describes it, such as token.refresh
	Grant string // the grant that starts with it; empty: none
	// standard are the parameters that are sent unless the definition says otherwise, as pairs of a name
	// and a template. Those of a parameter without a value are left out.
	standard [][2]string
	// pkce are added with PKCE even where the standard ones are switched off.
	pkce [][2]string
	// holders are the placeholders that have a value here, besides the inputs and the kept fields.
	holders []string
	// needs are those of them without which the request cannot do its work.
	needs []string
}

// Kinds returns the kinds of requests, those of grants first, in the order in which grants are offered.
// A new grant is a row here, a file in package oauth, and a key in schema.json.
func Kinds() []Kind { return append(grantKinds(), otherKinds()...) }

// grantKinds are the requests that a grant starts with.
func grantKinds() []Kind {
	return []Kind{
		{
			Path: "token.authorization_code", Grant: AuthorizationCode,
			standard: [][2]string{{"grant_type", "authorization_code"}, {"code", "{code}"}, {"redirect_uri", "{redirect_uri}"}, {"resource", "{resource}"}},
			pkce:     [][2]string{{"code_verifier", "{code_verifier}"}},
			holders:  []string{"code", "redirect_uri", "code_verifier", "resource"},
			needs:    []string{"code"},
		},
		{
			Path: "token.device_code", Grant: DeviceCode, // RFC 8628 3.4
			standard: [][2]string{{"grant_type", "urn:ietf:params:oauth:grant-type:device_code"}, {"device_code", "{device_code}"}, {"resource", "{resource}"}},
			holders:  []string{"device_code", "resource"},
			needs:    []string{"device_code"},
		},
		{
			Path: "token.password", Grant: Password, // RFC 6749 4.3
			standard: [][2]string{{"grant_type", "password"}, {"username", "{username}"}, {"password", "{password}"}, {"scope", "{scope}"}},
			holders:  []string{"username", "password", "scope", "resource"},
			needs:    []string{"username", "password"},
		},
		{
			Path: "token.client_credentials", Grant: ClientCredentials, // RFC 6749 4.4
			standard: [][2]string{{"grant_type", "client_credentials"}, {"scope", "{scope}"}, {"resource", "{resource}"}},
			holders:  []string{"scope", "resource"},
			needs:    []string{"client_id", "client_secret"},
		},
		{
			Path: "token.jwt_bearer", Grant: JWTBearer, // RFC 7523 2.1
			standard: [][2]string{{"grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"}, {"assertion", "{assertion}"}, {"scope", "{scope}"}, {"resource", "{resource}"}},
			holders:  []string{"assertion", "scope", "resource"},
			needs:    []string{"assertion"},
		},
		{
			Path: "token.token_exchange", Grant: TokenExchange, // RFC 8693 2.1
			standard: [][2]string{
				{"grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"},
				{"subject_token", "{assertion}"},
				{"subject_token_type", "urn:ietf:params:oauth:token-type:jwt"},
				{"scope", "{scope}"},
				{"resource", "{resource}"},
			},
			holders: []string{"assertion", "scope", "resource"},
			needs:   []string{"assertion"},
		},
	}
}

func otherKinds() []Kind {
	return []Kind{
		{
			Path:     "token.refresh", // RFC 6749 6
			standard: [][2]string{{"grant_type", "refresh_token"}, {"refresh_token", "{refresh_token}"}, {"resource", "{resource}"}},
			holders:  []string{"refresh_token", "redirect_uri", "resource"},
			needs:    []string{"refresh_token"},
		},
		{
			Path: "authorize", // RFC 6749 4.1.1
			standard: [][2]string{
				{"response_type", "code"},
				{"client_id", "{client_id}"},
				{"redirect_uri", "{redirect_uri}"},
				{"scope", "{scope}"},
				{"state", "{state}"},
				{"resource", "{resource}"},
			},
			pkce:    [][2]string{{"code_challenge", "{code_challenge}"}, {"code_challenge_method", "S256"}},
			holders: []string{"redirect_uri", "scope", "state", "resource", "code_challenge"},
			needs:   []string{"client_id", "state"},
		},
		{
			Path:     "device_authorization", // RFC 8628 3.1
			standard: [][2]string{{"client_id", "{client_id}"}, {"scope", "{scope}"}, {"resource", "{resource}"}},
			holders:  []string{"scope", "resource"},
			needs:    []string{"client_id"},
		},
		{
			Path:     "revoke.request", // RFC 7009 2.1
			standard: [][2]string{{"token", "{token}"}, {"token_type_hint", "{token_type_hint}"}},
			holders:  []string{"token", "token_type_hint"},
			needs:    []string{"token"},
		},
	}
}

// KindAt returns the kind of the request that a definition describes at this path.
func KindAt(path string) Kind {
	all := Kinds()
	return all[slices.IndexFunc(all, func(k Kind) bool { return k.Path == path })]
}

// GrantType returns the grant_type that the RFCs prescribe for this kind; empty: it has none.
func (k Kind) GrantType() string {
	for _, pair := range k.standard {
		if pair[0] == "grant_type" {
			return pair[1]
		}
	}
	return ""
}

// Request returns the request that the definition describes at the path of a kind, or nil. That of
// authorize is made of the parts it has.
func (d *Definition) Request(path string) *Request {
	switch path {
	case "authorize":
		if d.Authorize == nil {
			return nil
		}
		return &Request{URL: d.Authorize.URL, Params: d.Authorize.Params, Standard: d.Authorize.Standard}
	case "device_authorization":
		return d.DeviceAuthorization
	case "revoke.request":
		return d.Revoke.Request
	}
	return d.Token[path[len("token."):]]
}

// Params returns the parameters of a request of this kind: what the RFCs prescribe, unless switched off,
// and over it what the definition adds, changes and (by null) leaves out.
func (d *Definition) Params(k Kind, r *Request) Params {
	params := Params{}
	add := func(pairs [][2]string) {
		for _, pair := range pairs {
			if pair[1] == "{resource}" && d.Resource == "" {
				continue
			}
			params[pair[0]] = Values{pair[1]}
		}
	}
	if r.standard() {
		add(k.standard)
		if r.ClientAuth == InParams {
			add([][2]string{{"client_id", "{client_id}"}, {"client_secret", "{client_secret}"}})
		}
	}
	if d.Authorize != nil && d.Authorize.PKCE == "S256" && len(k.pkce) > 0 && !r.Params.Hold(k.pkce[0][1]) {
		add(k.pkce)
	}
	maps.Copy(params, r.Params)
	maps.DeleteFunc(params, func(_ string, v Values) bool { return v == nil })
	return params
}

// standard reports whether the parameters that the RFCs prescribe are sent.
func (r *Request) standard() bool { return r.Standard == nil || *r.Standard }
