package sandbox

import (
	"slices"
	"strings"
	"time"
	"unicode"
)

// Event tells of one request, with nothing in it that could be used: secrets, codes and tokens are cut to
// their first characters.
type Event struct {
	Seq        int // 1, 2, 3 ... in the order in which the requests were decided
	Time       time.Time
	Provider   string // empty for the control and for paths of no provider
	Operation  string // authorize, consent, device, token, refresh, revoke, api, file, control, other
	Method     string
	Path       string // the whole path, escaped, without the query
	Parameters []Parameter
	Status     int // 0 when no answer is sent
	Refused    bool
	Reason     string // what was done, or why not, in plain words
	Fault      string // the kind of the fault that was played
}

// Parameter is one named value of a request.
type Parameter struct {
	In    string // header, query, form or json
	Name  string // for a header the scheme: Basic, Bearer
	Value string
}

// harmless names the parameters that are shown as they came. Everything else is masked, so that a
// parameter nobody thought of is not a leak.
var harmless = []string{
	"apiClientId", "approval_prompt", "clientId", "client_id", "from", "grantType", "grant_type",
	"human_errors", "json", "landing_page", "limit", "locale", "page", "perPage", "per_page", "query",
	"redirectUri", "redirect_uri", "response_type", "scope", "testmode", "token_type_hint", "decision", "user_code",
	"kind", "on", "provider", "what", // of the control
}

const maxShown = 200

// mask shows at most the first four characters, and none of a value so short that four would give it away.
func mask(value string) string {
	if r := []rune(value); len(r) >= 12 {
		return clean(string(r[:4])) + "…"
	}
	return "…"
}

// clean makes a client's words fit for one line of a terminal.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return '?'
		}
		return r
	}, text)
	if r := []rune(text); len(r) > maxShown {
		return string(r[:maxShown]) + "…"
	}
	return text
}

func (c *request) masked() []Parameter {
	list := c.everything()
	for i, p := range list {
		shown := mask(p.Value)
		// A secret in the wrong place is still a secret.
		if slices.Contains(harmless, p.Name) && !c.secret(p.Value) {
			shown = clean(p.Value)
		}
		list[i] = Parameter{In: p.In, Name: clean(p.Name), Value: shown}
	}
	return list
}

// secret reports whether the value holds something that the provider handed out. The lock is held.
func (c *request) secret(value string) bool {
	if c.st == nil || value == "" {
		return false
	}
	return strings.Contains(value, c.st.clientSecret) || strings.Contains(value, c.srv.cfg.Password) ||
		c.st.tokens[value] != nil || c.st.codes[value] != nil || c.st.devices[value] != nil
}

// note puts the event of a decided request into the queue. The lock is held.
func (s *Server) note(c *request, f *Fault, out *reply) {
	if s.cfg.Event == nil {
		return
	}
	s.seq++
	e := Event{
		Seq: s.seq, Time: c.now, Operation: c.op, Method: clean(c.method), Path: clean(c.full),
		Parameters: c.masked(), Status: out.status, Refused: out.refused, Reason: out.reason,
	}
	if c.st != nil {
		e.Provider = c.st.name
	}
	if c.op == opFile { // the key in its path opens the file
		e.Path = "/_files/…"
	}
	if f != nil {
		e.Fault = f.Kind
		if f.rule().end != endAnswer {
			e.Status = 0
		}
		e.Reason = strings.TrimSuffix("fault "+f.Kind+": "+out.reason, ": ")
	}
	s.queue = append(s.queue, e)
}

// tellOf passes on the event of a request that needed no decision under the lock.
func (s *Server) tellOf(c *request, f *Fault, out *reply) {
	s.mu.Lock()
	s.note(c, f, out)
	s.mu.Unlock()
	s.tell()
}

// tell passes queued events to Config.Event. A second caller finds its event passed on, or passes it on
// itself: either way that happens before its answer leaves.
func (s *Server) tell() {
	if s.cfg.Event == nil {
		return
	}
	s.deliver.Lock()
	defer s.deliver.Unlock()
	s.mu.Lock()
	events := s.queue
	s.queue = nil
	s.mu.Unlock()
	for _, e := range events {
		s.cfg.Event(e)
	}
}
