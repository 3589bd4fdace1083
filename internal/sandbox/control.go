package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Pair is what Mint made: tokens as a login would have brought them. The ends are nil where there is none.
type Pair struct {
	Provider       string     `json:"provider"`
	AccessToken    string     `json:"access_token"`
	RefreshToken   string     `json:"refresh_token"`
	AccessExpires  *time.Time `json:"access_expires_at"`
	RefreshExpires *time.Time `json:"refresh_expires_at"`
	Scope          string     `json:"scope"`
}

// Mint makes tokens without a login. scopes (with spaces) may be empty for the provider's default. The
// tokens are those of an exchange that sent redirect, or of one that sent none if it is empty.
func (s *Server) Mint(provider, scopes, redirect string) (Pair, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.providers[provider]
	if st == nil {
		return Pair{}, fmt.Errorf("provider %q is not played here", provider)
	}
	if scopes == "" {
		scopes = st.defaultScope
	}
	f := &family{scopes: strings.Fields(scopes)}
	if redirect != "" {
		f.redirect = &redirect
	}
	p := st.issue(s.now(), f)
	end := func(t *token) *time.Time {
		if t.expires.IsZero() {
			return nil
		}
		return new(t.expires.UTC())
	}
	return Pair{
		Provider: provider, AccessToken: p.access.value, RefreshToken: p.refresh.value,
		AccessExpires: end(p.access), RefreshExpires: end(p.refresh), Scope: p.access.scope(),
	}, nil
}

// Expire ends tokens now: what is "access", "refresh" or "all"; an empty provider is every one. It returns
// how many ended. Static tokens stay.
func (s *Server) Expire(provider, what string) (int, error) {
	if !slices.Contains([]string{"access", "refresh", "all"}, what) {
		return 0, fmt.Errorf("unknown what %q (known: access, refresh, all)", what)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.plays(provider); err != nil {
		return 0, err
	}
	ended := 0
	for name, st := range s.providers {
		if provider == "" || provider == name {
			ended += st.expire(s.now(), what != "refresh", what != "access")
		}
	}
	return ended, nil
}

// Lifetimes are settings for what is handed out from now on: a Go duration such as "90s", "documented" for
// the provider's own, "never" where its documentation knows no end, or empty to leave it.
type Lifetimes struct {
	Provider string `json:"provider,omitempty"` // empty: every one
	Access   string `json:"access,omitempty"`
	Refresh  string `json:"refresh,omitempty"`
	Code     string `json:"code,omitempty"`
}

// SetLifetimes changes lives. Either all of l is taken or nothing.
func (s *Server) SetLifetimes(l Lifetimes) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.plays(l.Provider); err != nil {
		return err
	}
	changed := map[*provider]lives{}
	for name, st := range s.providers {
		if l.Provider != "" && l.Provider != name {
			continue
		}
		now := st.lives
		for _, set := range []struct {
			what, value string
			life        *time.Duration
			own         time.Duration
		}{
			{"access", l.Access, &now.access, st.documented.access},
			{"refresh", l.Refresh, &now.refresh, st.documented.refresh},
			{"code", l.Code, &now.code, st.documented.code},
		} {
			switch set.value {
			case "":
			case "documented":
				*set.life = set.own
			case "never":
				if !slices.Contains(st.endless, set.what) {
					return fmt.Errorf("%s: a %s without an end is not documented", name, set.what)
				}
				*set.life = 0
			default:
				d, err := time.ParseDuration(set.value)
				if err != nil || d <= 0 {
					return fmt.Errorf("%s %q is no duration above zero, documented or never", set.what, clean(set.value))
				}
				*set.life = d
			}
		}
		changed[st] = now
	}
	for st, now := range changed {
		st.lives = now
	}
	return nil
}

// control answers /_sandbox/. Only loopback may steer, and only under a loopback name, so that no page in a
// browser can reach it by DNS rebinding; a POST has to be JSON, which a page cannot send across origins.
func (s *Server) control(c *request, remote string) *reply {
	if !loopback(remote) || !loopback(c.host) {
		return controlError(http.StatusForbidden, errors.New("the control answers only to loopback"))
	}
	command := c.method + " " + strings.TrimPrefix(c.full, "/_sandbox/")
	if c.method == http.MethodPost && c.media != "application/json" {
		return controlError(http.StatusUnsupportedMediaType, errors.New("send JSON with Content-Type: application/json"))
	}
	handle, ok := controls[command]
	if !ok {
		return controlError(http.StatusNotFound, fmt.Errorf("unknown control; known: %s", strings.Join(keys(controls), ", ")))
	}
	v, err := handle(s, c.body)
	if err != nil {
		return controlError(http.StatusBadRequest, err)
	}
	return jsonReply(http.StatusOK, v).why("control")
}

func controlError(status int, err error) *reply {
	return jsonReply(status, map[string]string{"error": err.Error()}).refusal(clean(err.Error()))
}

type done struct {
	OK bool `json:"ok"`
}

var controls = map[string]func(*Server, []byte) (any, error){
	"GET stats": func(s *Server, _ []byte) (any, error) {
		return map[string]any{"providers": s.Stats()}, nil
	},
	"GET faults": func(s *Server, _ []byte) (any, error) {
		return map[string]any{"faults": s.Faults()}, nil
	},
	"DELETE faults": func(s *Server, _ []byte) (any, error) {
		s.ClearFaults()
		return done{true}, nil
	},
	"POST faults": func(s *Server, body []byte) (any, error) {
		var f Fault
		if err := strict(body, &f); err != nil {
			return nil, err
		}
		return done{true}, s.Inject(f)
	},
	"POST expire": func(s *Server, body []byte) (any, error) {
		var v struct{ Provider, What string }
		if err := strict(body, &v); err != nil {
			return nil, err
		}
		ended, err := s.Expire(v.Provider, v.What)
		return map[string]any{"ok": true, "ended": ended}, err
	},
	"POST lifetimes": func(s *Server, body []byte) (any, error) {
		var l Lifetimes
		if err := strict(body, &l); err != nil {
			return nil, err
		}
		return done{true}, s.SetLifetimes(l)
	},
	"POST device": func(s *Server, body []byte) (any, error) {
		var v DeviceControl
		if err := strict(body, &v); err != nil {
			return nil, err
		}
		decided, err := s.SteerDevice(v)
		return map[string]any{"ok": true, "decided": decided}, err
	},
	"POST token": func(s *Server, body []byte) (any, error) {
		var v struct {
			Provider, Scope string
			RedirectURI     string `json:"redirect_uri"`
		}
		if err := strict(body, &v); err != nil {
			return nil, err
		}
		return s.Mint(v.Provider, v.Scope, v.RedirectURI)
	},
	"POST reset": func(s *Server, body []byte) (any, error) {
		var v struct{}
		if len(body) > 0 {
			if err := strict(body, &v); err != nil {
				return nil, err
			}
		}
		s.Reset()
		return done{true}, nil
	},
}

// strict reads one JSON value and knows every field in it: a misspelt one would be a test that tests
// nothing.
func strict(body []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("the body is not what is expected here: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("the body continues after its JSON value")
	}
	return nil
}

// loopback reports whether host, with or without a port, is this machine.
func loopback(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	if strings.EqualFold(name, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.Unmap().IsLoopback()
}
