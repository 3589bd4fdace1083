package sandbox

import (
	"net/http"
	"net/url"
	"strings"
)

// issuer is the authorization server of a definition that names one, or a resource.
func (m *made) issuer() string {
	if m.d.Issuer != "" || m.d.Resource == "" {
		return m.d.Issuer
	}
	u, err := url.Parse(m.d.Resource)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// endpoint returns the address of an endpoint that the metadata names.
func (m *made) endpoint(name string) string {
	return strings.TrimRight(m.issuer(), "/") + "/sandbox/" + name
}

// discovered puts in the endpoints that a definition leaves to the metadata of its issuer.
func (d *definition) discovered() {
	if !d.discovers() {
		return
	}
	base := (&made{d: d}).endpoint("")
	if d.Grants == nil {
		d.Grants = d.described()
	}
	if d.Token == nil {
		d.Token = map[string]*wanted{}
	}
	if d.grants(kindCode) {
		if d.Authorize == nil {
			d.Authorize = new(authorizeRequest)
		}
		set(&d.Authorize.URL, base+"authorize")
	}
	if d.grants(kindPoll) {
		if d.DeviceAuthorization == nil {
			d.DeviceAuthorization = new(wanted)
		}
		set(&d.DeviceAuthorization.URL, base+"device")
	}
	for _, kind := range append(d.Grants, kindRefresh) {
		if standardParams(kind) == nil || kind == kindRefresh && !d.grants(kindCode) && !d.grants(kindPoll) && d.Token[kind] == nil {
			continue
		}
		if d.Token[kind] == nil {
			d.Token[kind] = new(wanted)
		}
		set(&d.Token[kind].URL, base+"token")
	}
	if d.Revoke.Request == nil {
		d.Revoke.Request = new(wanted)
	}
	set(&d.Revoke.Request.URL, base+"revoke")
	if d.WhoAmI == nil {
		d.WhoAmI = []probe{{URL: base + "userinfo", Show: []struct{ Path string }{{"sub"}, {"name"}, {"email"}}}}
	}
}

// described returns the grants of a definition that lists none.
func (d *definition) described() []string {
	var grants []string
	for _, kind := range keys(d.Token) {
		if kind != kindRefresh {
			grants = append(grants, kind)
		}
	}
	switch {
	case grants == nil:
		return []string{kindCode, kindPoll}
	case d.Static != nil:
		return append(grants, "static")
	}
	return grants
}

// metadata serves the metadata of the issuer (RFC 8414 3, OpenID Connect Discovery 4) and of the resource
// (RFC 9728 3).
func (m *made) metadata() []route {
	if !m.d.discovers() {
		return nil
	}
	issuer := m.issuer()
	path, _ := splitAddress(issuer)
	path = strings.TrimRight(path, "/")
	serve := func(v any) func(*request) *reply {
		return func(*request) *reply { return jsonReply(http.StatusOK, v).why("served the metadata") }
	}
	server := serve(m.server(issuer))
	list := []route{
		{http.MethodGet, path + "/.well-known/openid-configuration", opOther, server},
		{http.MethodGet, "/.well-known/oauth-authorization-server" + path, opOther, server},
	}
	if m.d.Resource != "" {
		path, _ := splitAddress(m.d.Resource)
		list = append(list, route{http.MethodGet, "/.well-known/oauth-protected-resource" + strings.TrimRight(path, "/"), opOther, serve(map[string]any{
			"resource": m.d.Resource, "authorization_servers": []string{issuer},
		})})
	}
	return list
}

func (m *made) server(issuer string) map[string]any {
	v := map[string]any{
		"issuer": issuer, "response_types_supported": []string{"code"},
		"code_challenge_methods_supported":      []string{"S256"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post", "private_key_jwt", "none"},
		"revocation_endpoint":                   m.d.Revoke.Request.URL,
	}
	if m.d.Authorize != nil {
		v["authorization_endpoint"] = m.d.Authorize.URL
		if m.d.Authorize.PAR { // RFC 9126 5
			v["pushed_authorization_request_endpoint"], v["require_pushed_authorization_requests"] = m.pushURL(), true
		}
	}
	if m.d.DeviceAuthorization != nil {
		v["device_authorization_endpoint"] = m.d.DeviceAuthorization.URL
	}
	for _, w := range m.d.Token {
		v["token_endpoint"] = w.URL
	}
	if len(m.d.WhoAmI) > 0 {
		v["userinfo_endpoint"] = m.d.WhoAmI[0].URL
	}
	return v
}
