package sandbox

import (
	"net/http"
	"net/url"
	"time"
)

// pushed is an authorization request that waits for its browser (RFC 9126 2.2).
type pushed struct {
	spec    *authorizing
	query   params
	expires time.Time
	used    bool
}

// pushURL is where authorization requests are pushed. No word of a definition names it.
func (m *made) pushURL() string { return m.endpoint("par") }

// push takes an authorization request with the client authentication of the token endpoint (RFC 9126 2.1).
func (m *made) push(c *request) *reply {
	w := m.d.Authorize.wanted
	w.Method, w.Encoding, w.URL = http.MethodPost, "form", m.pushURL()
	if w.ClientAuth = m.d.Token[kindCode].ClientAuth; w.ClientAuth == "params" {
		w.ClientAuth = "body"
	}
	values, p := m.values(c, &w)
	if p != nil {
		return c.refuse(p)
	}
	h := held{}
	if p = m.clientHeader(c, &w, values, h); p == nil {
		p = m.verify(c, h)
	}
	if p != nil {
		return c.refuse(p)
	}
	w.ClientAuth = ""
	spec := m.authorizing(c, &w)
	q, p := parseForm(values.Encode(), spec.lists...)
	if p == nil {
		_, p = c.redirectFor(spec, q)
	}
	if p == nil {
		_, p = spec.check(q)
	}
	if p != nil {
		return c.refuse(p)
	}
	for uri, old := range c.st.pushes { // requests whose browser never came
		if over(c.now, old.expires.Add(askLife)) {
			delete(c.st.pushes, uri)
		}
	}
	uri, life := "urn:ietf:params:oauth:request_uri:"+random(32, alnum), min(c.st.lives.code, pushLife)
	c.st.pushes[uri] = &pushed{spec: spec, query: q, expires: c.now.Add(life)}
	return jsonReply(http.StatusCreated, map[string]any{"request_uri": uri, "expires_in": int64(life / time.Second)}).
		why("took the authorization request")
}

// pushLife is how long a pushed request waits, if codes are valid for so long.
const pushLife = 90 * time.Second

// authorizePushed handles a browser that brings the reference to a pushed request, and nothing else.
func (m *made) authorizePushed(c *request) *reply {
	spec := m.authorizing(c, &m.d.Authorize.wanted)
	q, p := parseForm(c.rawQuery)
	if p == nil {
		_, fixed := m.d.Authorize.address()
		for name := range fixed {
			delete(q, name)
		}
		p = q.exactly("client_id", "request_uri")
	}
	if p != nil {
		return c.refuseAuthorize(spec, bad(badRequest, "the request has to be pushed, as the definition says: %s", p.text))
	}
	waiting := c.st.pushes[q["request_uri"]]
	unusable := &problem{kind: badRequest, code: "invalid_request_uri"}
	switch {
	case q["client_id"] != c.st.clientID:
		return c.refuseAuthorize(spec, bad(badClient, "no client has this id"))
	case waiting == nil:
		unusable.text = "no request was pushed that has this request_uri"
		return c.refuseAuthorize(spec, unusable)
	case waiting.used:
		unusable.text = "the request_uri was used before: it is good for one login"
		return c.refuseAuthorize(spec, unusable)
	}
	waiting.used = true
	if !over(c.now, waiting.expires) {
		return c.consider(waiting.spec, waiting.query)
	}
	unusable.text = "the request_uri has expired"
	redirect, p := c.redirectFor(waiting.spec, waiting.query)
	if p != nil || redirect == outOfBand {
		return c.refuseAuthorize(spec, unusable)
	}
	return c.sendBack(http.StatusFound, waiting.spec, redirect, waiting.query, url.Values{"error": {unusable.code}, "error_description": {unusable.text}}).
		refusal(unusable.text)
}
