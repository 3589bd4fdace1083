package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fault is something that goes wrong on purpose, at the next requests that fit. Kind picks what; the
// fields below it fill it in, and most of them may be set with any kind.
type Fault struct {
	Provider string `json:"provider,omitempty"` // empty: any
	On       string `json:"on,omitempty"`       // authorize, device, token, refresh, revoke or api; empty: any of them
	Times    int    `json:"times,omitempty"`    // how often; 0 is once, -1 without end
	After    int    `json:"after,omitempty"`    // how many requests that fit pass unharmed first
	Kind     string `json:"kind"`

	Status      int               `json:"status,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"`
	ContentType string            `json:"content_type,omitempty"`

	// Body and Location may hold {secret} (every secret of the request), {client_secret}, {refresh_token},
	// {access_token}, {code}, {password} and {client_id}, to play a server that repeats what it was sent.
	Body     string `json:"body,omitempty"`
	Location string `json:"location,omitempty"`

	Milliseconds int    `json:"milliseconds,omitempty"` // waits: before handling with delay, else before the answer
	Bytes        int64  `json:"bytes,omitempty"`        // length of a huge answer
	Seconds      int    `json:"seconds,omitempty"`      // of date: the skew; of 429 and 503: Retry-After
	Form         string `json:"form,omitempty"`         // of Retry-After: delta, date or epoch; empty: the provider's
	Error        string `json:"error,omitempty"`        // of the kinds that answer in the provider's form
	Description  string `json:"description,omitempty"`

	// Handled says whether the request is carried out all the same, so that what it spends is spent.
	// Each kind has its own default.
	Handled *bool `json:"handled,omitempty"`
}

// ending is what becomes of the answer.
type ending int

const (
	endAnswer ending = iota
	endHang          // none, until the client leaves
	endDrop          // the connection is closed without one
)

type faultRule struct {
	handled   bool // by default
	waitFirst bool
	end       ending
	apply     func(*Fault, *request, *reply)
	needs     func(*Fault) error
}

const (
	maxFaultBytes = 2 << 30
	maxFaultWait  = 10 * time.Minute
)

// faultRules are the kinds. Those that bend a reply need one to bend, so they let the request be handled.
var faultRules = map[string]faultRule{
	"status":           {apply: statusFault},
	"hang":             {end: endHang},
	"delay":            {handled: true, waitFirst: true},
	"delay_reply":      {handled: true},
	"drop":             {end: endDrop},
	"drop_reply":       {handled: true, end: endDrop},
	"html":             {apply: htmlFault},
	"empty":            {apply: func(_ *Fault, _ *request, o *reply) { o.body = nil; o.set("Content-Type", "application/json") }},
	"truncated":        {apply: truncateFault},
	"huge":             {apply: hugeFault},
	"redirect":         {apply: redirectFault, needs: needsLocation},
	"wrong_type":       {handled: true, apply: wrongTypeFault},
	"date":             {handled: true, apply: dateFault},
	"no_refresh_token": {handled: true, apply: noRefreshFault},
	"no_expiry":        {handled: true, apply: noExpiryFault},
	"error":            {apply: errorFault(0, badRequest, "refused by a fault")},
	"error_in_200":     {apply: errorFault(http.StatusOK, badRequest, "refused by a fault, inside a 200")},
	"escape":           {apply: errorFault(0, badRequest, "\x1b[31mred\x1b[0m \x1b]0;title\x07 \u009b31m back\rover\nnext line")},
	"echo":             {apply: errorFault(0, badRequest, "this is what you sent: {secret}")},
	"429":              {apply: retryFault(tooMany, "too many requests")},
	"503":              {apply: retryFault(unavailable, "down for maintenance")},
}

func (f *Fault) rule() faultRule { return faultRules[f.Kind] }

func (f *Fault) handles() bool {
	if f.Handled != nil {
		return *f.Handled
	}
	return f.rule().handled
}

func (f *Fault) wait() time.Duration { return time.Duration(f.Milliseconds) * time.Millisecond }

// shape bends the reply: first as the kind does, then as the fields say that fit every kind.
func (f *Fault) shape(c *request, out *reply) {
	if apply := f.rule().apply; apply != nil {
		apply(f, c, out)
	}
	if f.Status != 0 {
		out.status = f.Status
	}
	if f.ContentType != "" {
		out.set("Content-Type", f.ContentType)
	}
	for name, value := range f.Headers {
		out.set(name, f.fill(c, value))
	}
}

// fill puts the request's own secrets into a text.
func (f *Fault) fill(c *request, text string) string {
	if !strings.Contains(text, "{") {
		return text
	}
	var all []string
	found := map[string]string{}
	for _, p := range c.everything() {
		name, value := p.Name, p.Value
		switch {
		case strings.EqualFold(name, "Basic"):
			id, secret, p := c.basic()
			if p != nil {
				continue
			}
			found["client_id"] = id
			name, value = "client_secret", secret
		case strings.EqualFold(name, "Bearer"):
			name = "access_token"
		}
		if canonical, ok := canonicalNames[name]; ok {
			name = canonical
		}
		found[name] = value
		if name != "client_id" && slices.Contains(templateNames, name) {
			all = append(all, value)
		}
	}
	found["secret"] = strings.Join(all, " ")
	for _, name := range append([]string{"secret"}, templateNames...) {
		text = strings.ReplaceAll(text, "{"+name+"}", found[name])
	}
	return text
}

var templateNames = []string{"client_secret", "refresh_token", "access_token", "code", "password", "client_id"}

var canonicalNames = map[string]string{
	"clientSecret": "client_secret", "refreshToken": "refresh_token", "accessToken": "access_token",
	"apiClientId": "client_id", "clientId": "client_id", "token": "refresh_token",
}

// adopt makes out the same answer as from, but keeps what was booked.
func (out *reply) adopt(from *reply) {
	out.status, out.body, out.stream = from.status, from.body, from.stream
	for name, values := range from.header {
		out.set(name, values[0])
	}
}

func statusFault(f *Fault, c *request, out *reply) {
	out.status = http.StatusInternalServerError
	out.body = []byte(f.fill(c, f.Body))
	out.set("Content-Type", "application/json")
}

func htmlFault(f *Fault, c *request, out *reply) {
	body := f.Body
	if body == "" {
		body = "<!doctype html><html><head><title>Welcome</title></head><body><h1>Please sign in to the network</h1></body></html>"
	}
	out.status, out.body = http.StatusOK, []byte(f.fill(c, body))
	out.set("Content-Type", "text/html; charset=utf-8")
}

// truncateFault cuts a real reply in half; without one it makes up the beginning of one.
func truncateFault(_ *Fault, c *request, out *reply) {
	if len(out.body) > 0 {
		out.body = out.body[:len(out.body)/2]
		return
	}
	name := c.st.names.access
	if c.op == opAPI {
		name = "data"
	}
	out.body = []byte(`{"` + name + `": "sandbox-tru`)
	out.set("Content-Type", "application/json")
}

func hugeFault(f *Fault, c *request, out *reply) {
	n := f.Bytes
	if n == 0 {
		n = maxFaultBytes
	}
	out.body = []byte(`{"` + c.st.names.access + `": "`)
	out.stream = io.LimitReader(letters{}, n)
	out.set("Content-Type", "application/json")
}

// letters is an endless row of them.
type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}

func needsLocation(f *Fault) error {
	if f.Location == "" {
		return errors.New("a redirect needs a location")
	}
	return nil
}

func redirectFault(f *Fault, c *request, out *reply) {
	out.status, out.body = http.StatusFound, nil
	out.set("Location", f.fill(c, f.Location))
}

func dateFault(f *Fault, c *request, out *reply) {
	out.set("Date", c.now.Add(time.Duration(f.Seconds)*time.Second).UTC().Format(http.TimeFormat))
}

// edit changes a JSON object in the reply; anything else is left alone.
func (out *reply) edit(change func(map[string]any)) {
	var v map[string]any
	dec := json.NewDecoder(bytes.NewReader(out.body))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil || v == nil {
		return
	}
	change(v)
	out.body = jsonReply(out.status, v).body
}

// wrongTypeFault makes the access token an object, and every other text a number.
func wrongTypeFault(_ *Fault, c *request, out *reply) {
	out.edit(func(v map[string]any) {
		for name, value := range v {
			if _, ok := value.(string); ok {
				v[name] = 12345
			}
		}
		if value, ok := v[c.st.names.access]; ok {
			v[c.st.names.access] = map[string]any{"value": value}
		}
	})
}

func noRefreshFault(_ *Fault, c *request, out *reply) {
	out.edit(func(v map[string]any) {
		delete(v, c.st.names.refresh)
		for _, name := range c.st.names.refreshExpiries {
			delete(v, name)
		}
	})
}

func noExpiryFault(_ *Fault, c *request, out *reply) {
	out.edit(func(v map[string]any) {
		for _, name := range append(slices.Clone(c.st.names.expiries), c.st.names.refreshExpiries...) {
			delete(v, name)
		}
	})
}

// errorFault answers with an error in the provider's own form.
func errorFault(status int, k kind, text string) func(*Fault, *request, *reply) {
	return func(f *Fault, c *request, out *reply) {
		p := problem{kind: k, text: text, status: status, code: f.Error}
		if f.Description != "" {
			p.text = f.Description
		}
		p.text = f.fill(c, p.text)
		out.adopt(c.st.render(c, p))
	}
}

// retryFault answers that the client should come back later.
func retryFault(k kind, text string) func(*Fault, *request, *reply) {
	return func(f *Fault, c *request, out *reply) {
		out.adopt(c.st.render(c, problem{kind: k, text: text, code: f.Error}))
		form := f.Form
		if form == "" {
			form = c.st.retryAfter
		}
		at := c.now.Add(time.Duration(f.Seconds) * time.Second)
		switch form {
		case "epoch":
			out.set("Retry-After", strconv.FormatInt(at.Unix(), 10))
		case "date":
			out.set("Retry-After", at.UTC().Format(http.TimeFormat))
		default:
			out.set("Retry-After", strconv.Itoa(f.Seconds))
		}
	}
}

// check refuses what could not be played.
func (f *Fault) check() error {
	rule, ok := faultRules[f.Kind]
	switch {
	case !ok:
		return fmt.Errorf("unknown kind %q (known: %s)", f.Kind, strings.Join(keys(faultRules), ", "))
	case f.On != "" && !slices.Contains(faultOps, f.On):
		return fmt.Errorf("unknown on %q (known: %s)", f.On, strings.Join(faultOps, ", "))
	case f.Times < -1 || f.After < 0:
		return errors.New("times is at least -1, after at least 0")
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return fmt.Errorf("status %d is not between 200 and 599", f.Status)
	case f.Bytes < 0 || f.Bytes > maxFaultBytes:
		return fmt.Errorf("bytes is not between 0 and %d", int64(maxFaultBytes))
	case f.wait() < 0 || f.wait() > maxFaultWait:
		return fmt.Errorf("milliseconds is not between 0 and %d", maxFaultWait.Milliseconds())
	case !slices.Contains([]string{"", "delta", "date", "epoch"}, f.Form):
		return fmt.Errorf("unknown form %q (known: delta, date, epoch)", f.Form)
	}
	if rule.needs != nil {
		return rule.needs(f)
	}
	return nil
}

var faultOps = []string{opAuthorize, opPush, opDevice, opToken, opRefresh, opRevoke, opAPI}

// Inject queues a fault. Faults are tried in the order in which they were queued.
func (s *Server) Inject(f Fault) error {
	if err := f.check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.plays(f.Provider); err != nil {
		return err
	}
	if f.Times == 0 {
		f.Times = 1
	}
	s.faults = append(s.faults, &f)
	return nil
}

// Faults returns what is still to come.
func (s *Server) Faults() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []Fault{}
	for _, f := range s.faults {
		list = append(list, *f)
	}
	return list
}

// ClearFaults calls the rest of the faults off.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// pick returns a copy of the fault that hits this request, and books it.
func (s *Server) pick(c *request) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.st == nil || !slices.Contains(faultOps, c.op) {
		return nil
	}
	for i, f := range s.faults {
		if f.Provider != "" && f.Provider != c.st.name || f.On != "" && f.On != c.op {
			continue
		}
		if f.After > 0 {
			f.After--
			continue
		}
		hit := *f
		if f.Times > 0 {
			if f.Times--; f.Times == 0 {
				s.faults = slices.Delete(s.faults, i, i+1)
			}
		}
		return &hit
	}
	return nil
}

// plays refuses a provider that is not in play. The lock is held.
func (s *Server) plays(provider string) error {
	if provider != "" && s.providers[provider] == nil {
		return fmt.Errorf("provider %q is not played here", provider)
	}
	return nil
}
