package provider

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// fillIn puts in the defaults, so that the definition of a standard provider is short and no other code
// has to know the standard names.
func (d *Definition) fillIn(name string) {
	set := func(value *string, standard string) {
		if *value == "" {
			*value = standard
		}
	}
	set(&d.Name, name)
	set(&d.Title, d.Name)
	set(&d.Client.Secret, "optional")
	set(&d.Scopes.Separator, " ")
	set((*string)(&d.Rotation), string(RotatesUnknown))
	set(&d.API.Header, "Authorization")
	set(&d.API.Scheme, "Bearer")
	set(&d.API.URL, d.Resource)
	if d.Discovers() && !d.Redirect.HTTPS && !d.Redirect.NoLoopback {
		set(&d.Redirect.Default, "http://127.0.0.1:0/callback")
	}
	maps.DeleteFunc(d.Token, func(_ string, r *Request) bool { return r == nil })
	for _, k := range Kinds() {
		if r := d.Request(k.Path); r != nil && k.Path != "authorize" {
			r.fillIn(d.Discovers())
		}
	}
	if a := d.Authorize; a != nil {
		if a.Standard != nil && !*a.Standard {
			set(&a.PKCE, "none")
		}
		set(&a.PKCE, "S256")
	}
	for i := range d.WhoAmI {
		set(&d.WhoAmI[i].Method, "GET")
	}
	for i := range d.Inputs {
		set(&d.Inputs[i].Prompt, d.Inputs[i].Name)
	}
	d.Reply.fillIn()
	d.Errors.fillIn()
	if d.Grants == nil {
		d.Grants = d.describedGrants()
	}
}

// NewRequest returns the request of a definition that says nothing about it.
func NewRequest() *Request { return &Request{Method: "POST", Encoding: "form"} }

func (r *Request) fillIn(discovers bool) {
	r.Method, r.Encoding = cmp.Or(r.Method, "POST"), cmp.Or(r.Encoding, "form")
	switch {
	case r.ClientAuth != "":
	case !r.standard():
		r.ClientAuth = InParams
	case !discovers: // else by the metadata
		r.ClientAuth = Basic
	}
}

func (r *Reply) fillIn() {
	setNames(&r.AccessToken, "access_token")
	setNames(&r.TokenType, "token_type")
	setNames(&r.RefreshToken, "refresh_token")
	setNames(&r.IDToken, "id_token")
	setNames(&r.Scope, "scope")
	setNames(&r.ExpiresIn, "expires_in")
	setNames(&r.RefreshExpiresIn, "refresh_expires_in")
}

func (e *Errors) fillIn() {
	setNames(&e.Code, "error")
	setNames(&e.Description, "error_description")
}

func setNames(names *Names, standard string) {
	if *names == nil {
		*names = Names{standard}
	}
}

// describedGrants returns the grants of a definition that lists none.
func (d *Definition) describedGrants() []string {
	var grants []string
	for _, k := range Kinds() {
		if k.Grant != "" && d.Request(k.Path) != nil {
			grants = append(grants, k.Grant)
		}
	}
	if d.OpenGrants = grants == nil && d.Discovers(); d.OpenGrants {
		return []string{AuthorizationCode}
	}
	if grants == nil || d.Static != (Static{}) {
		grants = append(grants, StaticToken)
	}
	return grants
}

// ClientPlace says where a user registers a client: what the definition says or, where it does not, how to find out.
func (d *Definition) ClientPlace() string {
	return cmp.Or(d.Client.Create, d.site())
}

// EndPlace is where a user ends a login of a grant by hand.
func (d *Definition) EndPlace(grant string) string {
	if grant == StaticToken {
		return cmp.Or(d.Static.Create, d.site())
	}
	return cmp.Or(d.Revoke.Manual, d.site())
}

// site is the provider's site, for want of a place that the definition names.
func (d *Definition) site() string {
	_, host, _ := strings.Cut(d.Origin(), "://")
	switch {
	case d.Docs != "":
		return "the provider's site; its documentation is " + d.Docs
	case host != "":
		return "the site of " + d.Title + " or its administrator; the server is " + host
	}
	return "the site of " + d.Title + " or its administrator"
}

// Discovers reports whether endpoints come from metadata.
func (d *Definition) Discovers() bool { return d.Issuer != "" || d.Resource != "" }

// Placeholders returns the names of the values that each login has: inputs, kept fields, kept parameters.
func (d *Definition) Placeholders() []string {
	return slices.Concat(d.Reply.Keep, d.Callback.Keep, d.inputNames())
}

// placeholdersOf returns those of them that are known when a request of this kind is sent: a login begins with its
// inputs, the redirect adds parameters, and the reply to the request of its grant adds fields.
func (d *Definition) placeholdersOf(k Kind) []string {
	switch {
	case k.Grant == AuthorizationCode:
		return slices.Concat(d.Callback.Keep, d.inputNames())
	case k.Grant != "" || k.Path == "authorize" || k.Path == "device_authorization":
		return d.inputNames()
	}
	return d.Placeholders()
}

func (d *Definition) inputNames() []string {
	names := make([]string, 0, len(d.Inputs))
	for _, input := range d.Inputs {
		names = append(names, input.Name)
	}
	return names
}
