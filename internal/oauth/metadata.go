package oauth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/redact"
)

// Metadata is what an authorization server publishes about itself (RFC 8414 2, OpenID Connect Discovery
// 1.0 3). Its addresses are checked: each is https, or http on the loopback interface if the issuer is.
type Metadata struct {
	Issuer                    string   `json:"issuer"`
	AuthorizationEndpoint     string   `json:"authorization_endpoint,omitempty"`
	TokenEndpoint             string   `json:"token_endpoint,omitempty"`
	RevocationEndpoint        string   `json:"revocation_endpoint,omitempty"`
	UserinfoEndpoint          string   `json:"userinfo_endpoint,omitempty"`
	DeviceEndpoint            string   `json:"device_authorization_endpoint,omitempty"`
	PAREndpoint               string   `json:"pushed_authorization_request_endpoint,omitempty"`
	RegistrationEndpoint      string   `json:"registration_endpoint,omitempty"`
	RequirePAR                bool     `json:"require_pushed_authorization_requests,omitempty"`
	SendsIssuer               bool     `json:"authorization_response_iss_parameter_supported,omitempty"` // RFC 9207
	ClientIDMetadataDocuments bool     `json:"client_id_metadata_document_supported,omitempty"`
	GrantTypes                []string `json:"grant_types_supported,omitempty"`
	// ClientAuth lists the ways to authenticate a client; nil if the server lists none.
	ClientAuth []string `json:"token_endpoint_auth_methods_supported,omitempty"`
	PKCE       []string `json:"code_challenge_methods_supported,omitempty"`
	Scopes     []string `json:"scopes_supported,omitempty"`
}

// ResourceMetadata is what a protected resource publishes about itself (RFC 9728 2).
type ResourceMetadata struct {
	Resource             string   `json:"resource"`
	AuthorizationServers []string `json:"authorization_servers,omitempty"`
	// Challenge are the scopes that its 401 asks for (RFC 6750 3).
	Challenge []string `json:"-"`
}

// Discovery fetches metadata. It follows no redirect, sends no credential, and is safe for concurrent use.
type Discovery struct {
	HTTP      *http.Client // NewHTTP
	UserAgent string
	// Base replaces scheme and host of every address that is asked, as it does those of the endpoints.
	Base Base
}

const (
	// maxMetadata bounds a metadata document, in bytes.
	maxMetadata = 1 << 20
	// Metadata is used for a day unless the server asks for less or more (Cache-Control: max-age).
	defaultValidity  = 24 * time.Hour
	shortestValidity = 5 * time.Minute
	longestValidity  = 7 * 24 * time.Hour
)

// Server returns the metadata of an issuer and for how long it may be used. It is read from
// {issuer}/.well-known/openid-configuration, else from the address of RFC 8414 3.1. Metadata of another
// issuer is refused (fail.Refused).
func (d *Discovery) Server(ctx context.Context, issuer string) (*Metadata, time.Duration, error) {
	u, err := checkIssuer(issuer)
	if err != nil {
		return nil, 0, err
	}
	m := new(Metadata)
	addresses := []string{
		strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration",
		wellKnown(u, "oauth-authorization-server"),
	}
	validity, err := d.first(ctx, addresses, m)
	if err != nil {
		return nil, 0, err
	}
	if m.Issuer != issuer { // identical, RFC 8414 3.3
		return nil, 0, fail.New(fail.Refused, "the metadata of %s names the issuer %q; they must be identical", issuer, redact.Scrub(m.Issuer, maxText))
	}
	for name, address := range map[string]*string{
		"authorization_endpoint": &m.AuthorizationEndpoint, "token_endpoint": &m.TokenEndpoint,
		"revocation_endpoint": &m.RevocationEndpoint, "userinfo_endpoint": &m.UserinfoEndpoint,
		"device_authorization_endpoint": &m.DeviceEndpoint, "registration_endpoint": &m.RegistrationEndpoint,
		"pushed_authorization_request_endpoint": &m.PAREndpoint,
	} {
		if err := checkNamed(issuer, name, *address); err != nil {
			return nil, 0, err
		}
	}
	return m, validity, nil
}

// Resource returns the metadata of a protected resource and for how long it may be used. Its address is the
// resource_metadata of the resource's 401 (RFC 9728 5.1), else the one of RFC 9728 3.1. Metadata of another resource
// is refused (fail.Refused).
func (d *Discovery) Resource(ctx context.Context, resource string) (*ResourceMetadata, time.Duration, error) {
	if err := provider.CheckURL(resource); err != nil {
		return nil, 0, fail.New(fail.Usage, "%s: %w", redact.Scrub(resource, maxText), err)
	}
	asked := d.challenge(ctx, resource)
	address := asked["resource_metadata"]
	if err := checkNamed(resource, "resource_metadata", address); err != nil {
		return nil, 0, err
	}
	addresses := []string{address}
	if address == "" {
		addresses = resourceWellKnown(resource)
	}
	m := new(ResourceMetadata)
	validity, err := d.first(ctx, addresses, m)
	if err != nil {
		return nil, 0, err
	}
	if m.Resource != resource { // identical, RFC 9728 3.3
		return nil, 0, fail.New(fail.Refused, "the metadata of %s is about the resource %q; they must be identical", resource, redact.Scrub(m.Resource, maxText))
	}
	if len(m.AuthorizationServers) == 0 {
		return nil, 0, fail.New(fail.Refused, "the metadata of %s names no authorization server", resource)
	}
	for _, issuer := range m.AuthorizationServers {
		if err := checkNamed(resource, "authorization server", issuer); err != nil {
			return nil, 0, err
		}
	}
	m.Challenge = strings.Fields(asked["scope"])
	return m, validity, nil
}

// Challenge returns the scopes that a resource asks for in the 401 with which it answers a request without a token (RFC
// 6750 3); none if it answers otherwise, or not at all.
func (d *Discovery) Challenge(ctx context.Context, resource string) []string {
	return strings.Fields(d.challenge(ctx, resource)["scope"])
}

// challenge returns the parameters of the 401 with which a resource answers a request without a token; none if it
// answers otherwise.
func (d *Discovery) challenge(ctx context.Context, resource string) map[string]string {
	ctx, cancel := context.WithTimeout(ctx, totalTime)
	defer cancel()
	resp, err := d.request(ctx, resource)
	if err != nil {
		return nil
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		return nil
	}
	return authParams(resp.Header.Values("WWW-Authenticate"))
}

// checkIssuer parses an issuer: an address without query and fragment (RFC 8414 2).
func checkIssuer(address string) (*url.URL, error) {
	if err := provider.CheckURL(address); err != nil {
		return nil, fail.New(fail.Usage, "%s: %w", redact.Scrub(address, maxText), err)
	}
	u, err := url.Parse(address)
	if err != nil || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fail.New(fail.Usage, "%s: an issuer has no user, query or fragment", redact.Scrub(address, maxText))
	}
	return u, nil
}

// checkNamed refuses an address that a server names and must not be used: one that is neither https nor loopback, one
// on this machine or in its network if the server itself is elsewhere, and one that is not what it looks like.
func checkNamed(by, name, address string) error {
	if address == "" {
		return nil
	}
	refused := func(why string) error {
		return fail.New(fail.Refused, "%s names the %s %s: %s", by, name, redact.Scrub(address, maxText), why)
	}
	if err := provider.CheckURL(address); err != nil {
		return refused(err.Error())
	}
	from, errFrom := url.Parse(by)
	to, errTo := url.Parse(address)
	switch {
	case errFrom != nil, errTo != nil:
		return refused("it is not an address")
	case strings.ContainsFunc(address, func(r rune) bool { return r > unicode.MaxASCII }):
		return refused("it has letters that look like others") // RFC 3986 2: an address is ASCII
	case local(to.Hostname()) && !local(from.Hostname()):
		return refused("only a server on this machine or in its network may name an address there")
	}
	return nil
}

// local reports whether a host is this machine, in a private network, or only reached from here. Other spellings of
// an IPv4 address, which some resolvers read, count as well.
func local(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") { // RFC 6761 6.3
		return true
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		last := host[strings.LastIndexByte(host, '.')+1:]
		_, err := strconv.ParseUint(last, 0, 64)
		return err == nil // 127.1, 2130706433, 0x7f.1: no top-level domain is a number
	}
	addr = addr.Unmap()
	return addr.IsLoopback() || addr.IsUnspecified() || addr.IsPrivate() || addr.IsLinkLocalUnicast()
}

// wellKnown inserts a well-known name before the path of an issuer, without a slash at its end (RFC 8414 3.1).
func wellKnown(u *url.URL, name string) string {
	inserted := *u
	inserted.Path, inserted.RawPath = "/.well-known/"+name+strings.TrimSuffix(u.Path, "/"), ""
	return inserted.String()
}

// resourceWellKnown inserts the name before the path and the query of a resource (RFC 9728 3.1). A slash at the end of
// a path is part of it, but not every server knows that.
func resourceWellKnown(resource string) []string {
	u, err := url.Parse(resource)
	if err != nil {
		return nil // it was checked
	}
	const name = "oauth-protected-resource"
	without := wellKnown(u, name)
	if path := strings.TrimSuffix(u.Path, "/"); path == "" || path == u.Path {
		return []string{without}
	}
	u.Path, u.RawPath = "/.well-known/"+name+u.Path, ""
	return []string{u.String(), without}
}

// errMissing is the reason for the failure of an address without a document. Any other says more.
var errMissing = errors.New("status 404")

// first reads a JSON document from the first of the addresses that has one.
func (d *Discovery) first(ctx context.Context, addresses []string, into any) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, totalTime)
	defer cancel()
	var firstErr error
	for _, address := range addresses {
		validity, err := d.get(ctx, address, into)
		if err == nil {
			return validity, nil
		}
		if firstErr == nil || errors.Is(firstErr, errMissing) {
			firstErr = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return 0, firstErr
}

func (d *Discovery) client(host string) *Client {
	return &Client{Config: &Config{Definition: &provider.Definition{Name: host, Title: host}}, HTTP: d.HTTP, UserAgent: d.UserAgent}
}

// request sends a GET without any credential.
func (d *Discovery) request(ctx context.Context, address string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fail.New(fail.Usage, "%s is not an address", redact.Scrub(address, maxText))
	}
	base, err := d.Base.parse()
	if err != nil {
		return nil, err
	}
	if base != nil {
		move(req.URL, base)
		req.Host = ""
	}
	c := d.client(req.URL.Host)
	c.dress(req)
	resp, err := c.do(req, nil)
	if err != nil {
		return nil, c.unreachable(req, err, nil)
	}
	resp.Request = req
	return resp, nil
}

func (d *Discovery) get(ctx context.Context, address string, into any) (time.Duration, error) {
	resp, err := d.request(ctx, address)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxMetadata+1))
	if err != nil {
		return 0, d.client(resp.Request.URL.Host).unreachable(resp.Request, err, nil)
	}
	what := ""
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return 0, fail.New(fail.Unavailable, "no metadata at %s: it answered with %w", address, errMissing)
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		what = "a redirect, which is not followed"
	case resp.StatusCode != http.StatusOK:
		what = fmt.Sprintf("status %d", resp.StatusCode)
	case len(body) > maxMetadata:
		what = "more than 1 MiB"
	default:
		what = wrongDocument(json.Unmarshal(bytes.TrimSpace(body), into))
	}
	if what != "" {
		return 0, fail.New(fail.Unavailable, "no metadata at %s: it answered with %s", address, what)
	}
	return validity(resp.Header), nil
}

// wrongDocument says why a document cannot be read; "": it can.
func wrongDocument(err error) string {
	var wrongType *json.UnmarshalTypeError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &wrongType) && wrongType.Field != "":
		return "a document in which " + wrongType.Field + " is a " + wrongType.Value
	}
	return "something other than a JSON object"
}

// validity reads for how long a document may be used (RFC 9111 5.2.2.1), within bounds.
func validity(h http.Header) time.Duration {
	for directive := range strings.SplitSeq(strings.ToLower(h.Get("Cache-Control")), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch name {
		case "no-store", "no-cache":
			return shortestValidity
		case "max-age":
			if seconds, err := strconv.Atoi(strings.Trim(value, `"`)); err == nil {
				age := time.Duration(min(seconds, int(longestValidity/time.Second))) * time.Second
				return max(age, shortestValidity)
			}
		}
	}
	return defaultValidity
}
