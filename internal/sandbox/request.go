package sandbox

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The operations: what a request is about, for counts, faults and events.
const (
	opAuthorize = "authorize"
	opConsent   = "consent" // the answer given on the consent page
	opDevice    = "device"  // the codes of a device login
	opPush      = "push"    // an authorization request that is pushed
	opToken     = "token"   // code, password or client credentials for tokens
	opRefresh   = "refresh"
	opRevoke    = "revoke"
	opAPI       = "api"
	opFile      = "file"    // a download on the other host
	opControl   = "control" // /_sandbox/
	opOther     = "other"   // no endpoint
)

const maxBody = 1 << 20

// route is an endpoint. A {name} in the pattern takes a path segment or a part of one, and a * at its end
// everything. Without a method, every method that no route before it takes.
type route struct {
	method, pattern string
	op              string
	handle          func(*request) *reply
}

// request is one request, read whole. Handlers get it under the lock.
type request struct {
	srv     *Server
	st      *provider // nil when the path names no provider
	route   *route
	op      string
	allowed []string          // the methods known for this path, when the request's own is not
	vars    map[string]string // what the {names} of the route took

	method, path string // the path within the provider, still escaped
	full         string // the whole path, still escaped
	host, scheme string
	header       http.Header
	rawQuery     string
	media        string // of the Content-Type, without parameters
	body         []byte
	tooLong      bool
	now          time.Time
}

// params are the named values of a query, a form or a flat JSON object, each name once (RFC 6749 3.1).
type params map[string]string

// read takes the request in and finds out what it is about.
func (s *Server) read(r *http.Request) *request {
	c := &request{
		srv: s, op: opOther, method: r.Method, full: r.URL.EscapedPath(), rawQuery: r.URL.RawQuery,
		host: r.Host, scheme: "http", header: r.Header, now: s.now(),
	}
	if r.TLS != nil {
		c.scheme = "https"
	}
	if ct := r.Header.Get("Content-Type"); ct != "" {
		media, _, err := mime.ParseMediaType(ct)
		if err != nil {
			media = "unreadable"
		}
		c.media = media
	}
	if r.Body != nil {
		c.body, _ = io.ReadAll(io.LimitReader(r.Body, maxBody+1))
		c.tooLong = len(c.body) > maxBody
	}
	first, rest, _ := strings.Cut(strings.TrimPrefix(c.full, "/"), "/")
	c.path = "/" + rest
	switch first {
	case "_sandbox":
		c.op = opControl
		return c
	case "_files":
		c.op = opFile
		return c
	}
	s.mu.Lock()
	c.st = s.providers[first]
	s.mu.Unlock()
	if c.st == nil {
		return c
	}
	if c.path == consentPath {
		if c.op = opConsent; c.method != http.MethodPost {
			c.op, c.allowed = opOther, []string{http.MethodPost}
		}
		return c
	}
	c.find()
	return c
}

// find sets the route and the operation.
func (c *request) find() {
	for i, r := range c.st.routes {
		vars, ok := match(r.pattern, c.path)
		if !ok {
			continue
		}
		if r.method == "" && len(c.allowed) > 0 {
			break // another endpoint, with another method
		}
		if r.method != "" && r.method != c.method {
			c.allowed = append(c.allowed, r.method)
			continue
		}
		c.route, c.vars, c.op, c.allowed = &c.st.routes[i], vars, r.op, nil
		break
	}
	switch {
	case c.op != opToken:
	case c.st.sort != nil:
		c.op = c.st.sort(c)
	case c.loose(c.st.names.grantType) == "refresh_token":
		c.op = opRefresh
	}
}

func match(pattern, path string) (map[string]string, bool) {
	ps, ss := strings.Split(pattern, "/"), strings.Split(path, "/")
	if last := len(ps) - 1; ps[last] == "*" && len(ss) >= len(ps) {
		ps, ss = ps[:last], ss[:last]
	}
	if len(ps) != len(ss) {
		return nil, false
	}
	vars := map[string]string{}
	for i, p := range ps {
		before, rest, open := strings.Cut(p, "{")
		name, after, _ := strings.Cut(rest, "}")
		value, ok := strings.CutPrefix(ss[i], before)
		if ok && open {
			value, ok = strings.CutSuffix(value, after)
			vars[name] = value
		}
		if !ok || (value == "") == open {
			return nil, false
		}
	}
	return vars, true
}

func (c *request) query() (params, *problem) { return parseForm(c.rawQuery) }

// values returns the parameters of the body. The Content-Type has to be one of the encodings ("form",
// "json") and has to tell the truth.
func (c *request) values(encodings ...string) (params, *problem) {
	var have string
	switch c.media {
	case "application/x-www-form-urlencoded":
		have = "form"
	case "application/json":
		have = "json"
	case "":
		if len(c.body) > 0 {
			return nil, bad(badRequest, "the body has no Content-Type")
		}
		return nil, bad(badRequest, "the body is empty: the parameters belong there, as %s", strings.Join(encodings, " or "))
	}
	if !slices.Contains(encodings, have) {
		return nil, bad(badRequest, "Content-Type %s is not taken here, only %s", clean(c.media), strings.Join(encodings, " or "))
	}
	if have == "json" {
		return parseJSON(c.body)
	}
	if t := bytes.TrimSpace(c.body); len(t) > 0 && (t[0] == '{' || t[0] == '[') {
		return nil, bad(badRequest, "Content-Type says form, but the body is JSON")
	}
	return parseForm(string(c.body))
}

// parseForm reads parameters, each given once but for those in lists.
func parseForm(raw string, lists ...string) (params, *problem) {
	v, err := url.ParseQuery(raw)
	if err != nil {
		return nil, bad(badRequest, "the parameters are not form-urlencoded")
	}
	p := params{}
	for _, name := range keys(v) {
		if len(v[name]) > 1 && !slices.Contains(lists, name) {
			return nil, bad(badRequest, "parameter %s is given more than once", clean(name))
		}
		p[name] = strings.Join(v[name], "\n")
	}
	return p, nil
}

func parseJSON(raw []byte) (params, *problem) {
	var v map[string]any
	if err := json.Unmarshal(raw, &v); err != nil || v == nil {
		return nil, bad(badRequest, "Content-Type says JSON, but the body is no JSON object")
	}
	p := params{}
	for _, name := range keys(v) {
		text, ok := v[name].(string)
		if !ok {
			return nil, bad(badRequest, "parameter %s is not a string", clean(name))
		}
		p[name] = text
	}
	return p, nil
}

// only refuses what is not among the names: a documented list is the whole list.
func (p params) only(names ...string) *problem {
	for _, name := range keys(p) {
		if !slices.Contains(names, name) {
			return bad(badRequest, "parameter %s is not documented for this call", clean(name))
		}
	}
	return nil
}

// need refuses what is missing or empty.
func (p params) need(names ...string) *problem {
	for _, name := range names {
		if p[name] == "" {
			return bad(badRequest, "parameter %s is missing", name)
		}
	}
	return nil
}

// exactly is need and only in one.
func (p params) exactly(names ...string) *problem {
	if missing := p.need(names...); missing != nil {
		return missing
	}
	return p.only(names...)
}

// loose looks a parameter up wherever it stands, for counting and masking, never for deciding.
func (c *request) loose(name string) string {
	for _, p := range c.everything() {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

// everything lists all parameters of the request, unmasked.
func (c *request) everything() []Parameter {
	var list []Parameter
	if scheme, value, ok := strings.Cut(c.header.Get("Authorization"), " "); ok {
		list = append(list, Parameter{In: "header", Name: scheme, Value: value})
	}
	add := func(in string, v url.Values) {
		for _, name := range keys(v) {
			for _, value := range v[name] {
				list = append(list, Parameter{In: in, Name: name, Value: value})
			}
		}
	}
	v, _ := url.ParseQuery(c.rawQuery) // what could be read is returned beside the error
	add("query", v)
	switch c.media {
	case "application/x-www-form-urlencoded":
		v, _ := url.ParseQuery(string(c.body))
		add("form", v)
	case "application/json":
		var v map[string]any
		_ = json.Unmarshal(c.body, &v)
		for _, name := range keys(v) {
			text, ok := v[name].(string)
			if !ok {
				raw, _ := json.Marshal(v[name])
				text = string(raw)
			}
			list = append(list, Parameter{In: "json", Name: name, Value: text})
		}
	}
	return list
}

// basic returns the client of an Authorization: Basic header. Both parts are form-urlencoded before they
// are joined (RFC 6749 2.3.1), so they are decoded here: a client that skips that step is found out by
// the first odd character.
func (c *request) basic() (id, secret string, p *problem) {
	user, pass, p := c.basicParts()
	if p != nil {
		return "", "", p
	}
	id, err := url.QueryUnescape(user)
	if err == nil {
		secret, err = url.QueryUnescape(pass)
	}
	if err != nil {
		return "", "", bad(badClient, "the parts of the Basic header are not form-urlencoded (RFC 6749 2.3.1)")
	}
	return id, secret, nil
}

// basicParts returns the two parts of an Authorization: Basic header as they are (RFC 7617 2).
func (c *request) basicParts() (user, pass string, p *problem) {
	scheme, value, _ := strings.Cut(c.header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Basic") {
		return "", "", bad(badClient, "the Authorization header is not of the Basic kind")
	}
	raw, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		return "", "", bad(badClient, "the Basic header is not base64")
	}
	user, pass, ok := strings.Cut(string(raw), ":")
	if !ok {
		return "", "", bad(badClient, "the Basic header has no colon")
	}
	return user, pass, nil
}

func (c *request) bearer() (string, *problem) {
	if n := len(c.header.Values("Authorization")); n != 1 {
		return "", bad(badToken, "the call needs one Authorization: Bearer header")
	}
	scheme, value, _ := strings.Cut(c.header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || value == "" {
		return "", bad(badToken, "the Authorization header is not of the Bearer kind")
	}
	return value, nil
}

// base returns the address of the provider, as the client wrote it.
func (c *request) base() string { return c.scheme + "://" + c.host + "/" + c.st.name }

// problem is a refusal before it is put into a provider's words.
type problem struct {
	kind   kind
	text   string
	status int    // instead of the kind's
	code   string // instead of the kind's
}

// kind is a class of refusals with the names and statuses of RFC 6749 5.2 and of HTTP.
type kind struct {
	code   string
	status int
}

var (
	badRequest   = kind{"invalid_request", http.StatusBadRequest}
	badClient    = kind{"invalid_client", http.StatusUnauthorized}
	badGrant     = kind{"invalid_grant", http.StatusBadRequest}
	badGrantType = kind{"unsupported_grant_type", http.StatusBadRequest}
	badResponse  = kind{"unsupported_response_type", http.StatusBadRequest}
	badScope     = kind{"invalid_scope", http.StatusBadRequest}
	badURI       = kind{"invalid_uri", http.StatusBadRequest}
	badRedirect  = kind{"redirect_uri_mismatch", http.StatusBadRequest}
	badToken     = kind{"invalid_token", http.StatusUnauthorized}
	badMethod    = kind{"invalid_request", http.StatusMethodNotAllowed}
	noScope      = kind{"insufficient_scope", http.StatusForbidden}
	notFound     = kind{"not_found", http.StatusNotFound}
	tooMany      = kind{"rate_limited", http.StatusTooManyRequests}
	unavailable  = kind{"temporarily_unavailable", http.StatusServiceUnavailable}
)

func (p problem) statusOr() int { return cmp.Or(p.status, p.kind.status) }

func (p problem) codeOr() string { return cmp.Or(p.code, p.kind.code) }

func bad(k kind, format string, args ...any) *problem {
	return &problem{kind: k, text: fmt.Sprintf(format, args...)}
}

// refuse answers with the problem in the provider's own form.
func (c *request) refuse(p *problem) *reply { return c.st.render(c, *p).refusal(p.text) }

// reply is an answer before it is written. Its fields are what a fault can bend.
type reply struct {
	status  int
	header  http.Header
	body    []byte
	stream  io.Reader // after the body, made while it is sent
	reason  string    // for the event
	refused bool
	granted func(*Stats) // counts what was given
}

func (o *reply) set(name, value string) *reply {
	if o.header == nil {
		o.header = http.Header{}
	}
	o.header.Set(name, value)
	return o
}

func (o *reply) why(reason string) *reply {
	o.reason = reason
	return o
}

// refusal gives the reason of an answer that refuses the request.
func (o *reply) refusal(reason string) *reply {
	o.refused = true
	return o.why(reason)
}

func (o *reply) counts(f func(*Stats)) *reply {
	o.granted = f
	return o
}

func (o *reply) write(w http.ResponseWriter) {
	maps.Copy(w.Header(), o.header)
	if o.stream == nil {
		w.Header().Set("Content-Length", fmt.Sprint(len(o.body)))
	}
	if o.status == http.StatusNoContent || o.status == http.StatusNotModified {
		w.Header().Del("Content-Length")
		w.WriteHeader(o.status)
		return
	}
	w.WriteHeader(o.status)
	_, _ = w.Write(o.body) // a client that has gone is no error of ours
	if o.stream != nil {
		_, _ = io.Copy(w, o.stream)
	}
}

func jsonReply(status int, v any) *reply {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil { // only our own structs and maps come here
		panic(err)
	}
	o := &reply{status: status, body: bytes.TrimRight(buf.Bytes(), "\n")}
	return o.set("Content-Type", "application/json; charset=utf-8").set("Cache-Control", "no-store")
}

func textReply(status int, text string) *reply {
	o := &reply{status: status, body: []byte(text)}
	return o.set("Content-Type", "text/plain; charset=utf-8")
}

func redirectReply(status int, location string) *reply {
	o := &reply{status: status}
	return o.set("Location", location).set("Cache-Control", "no-store").set("Referrer-Policy", "no-referrer")
}
