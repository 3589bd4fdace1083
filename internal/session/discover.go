package session

import (
	"context"
	"path/filepath"
	"slices"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/oauth"
	"github.com/tokencli/tokencli/internal/provider"
)

// discover returns the metadata of the authorization server of a login. If the definition names no issuer, it is the
// one that the resource names, which must be the one that the user confirmed.
func (s *Session) discover(ctx context.Context, d *provider.Definition, c *credential.Credential) (*oauth.Metadata, error) {
	if s.needsNoMetadata(c) {
		return noMetadata(ctx, d)
	}
	s.discovering.Lock()
	defer s.discovering.Unlock()
	if d.Issuer != "" {
		return s.serverMetadata(ctx, d, d.Issuer)
	}
	m, err := s.resourceMetadata(ctx, d)
	switch {
	case err != nil && (c.Issuer == "" || !fail.Is(err, fail.Unavailable)):
		return nil, err
	case err != nil, slices.Contains(m.AuthorizationServers, c.Issuer):
		return s.serverMetadata(ctx, d, c.Issuer)
	case c.Issuer != "":
		// The next call asks again: the resource may have been corrected by then.
		s.resources.put(s.cacheDir("resources"), document[oauth.ResourceMetadata]{s.subject(d, d.Resource), s.now(), m})
		return nil, fail.New(fail.LoginNeeded, "%s: this login belongs to the issuer %q, but the resource names %q; nothing was sent",
			c.Account, c.Issuer, m.AuthorizationServers[0]).Advise(fail.DoLogIn, c.Account)
	case s.Store.Traits().ReadOnly: // a resource must not choose by itself where the user's secrets go
		return nil, fail.New(fail.Usage, "%s: the resource names the issuer %q, which nobody has confirmed; nothing was sent", d.Name, m.AuthorizationServers[0]).
			Advise(fail.DoWriteIssuer, m.AuthorizationServers[0])
	}
	return s.serverMetadata(ctx, d, m.AuthorizationServers[0])
}

// needsNoMetadata reports whether the login is a static token, which goes to the addresses in the definition alone:
// nobody at the authorization server has seen it.
func (s *Session) needsNoMetadata(c *credential.Credential) bool {
	return c.Grant == credential.Static && !s.Store.Traits().ReadOnly
}

func noMetadata(context.Context, *provider.Definition) (*oauth.Metadata, error) {
	return new(oauth.Metadata), nil
}

// discovered returns the cached metadata of a definition's authorization server, whatever its validity, for
// commands that only read. It sends nothing, except in the env store, which has no cache between processes.
func (s *Session) discovered(ctx context.Context, d *provider.Definition) (*oauth.Metadata, error) {
	readOnly := s.Store.Traits().ReadOnly
	switch {
	case readOnly && d.Issuer == "":
		return new(oauth.Metadata), nil // the resource itself is all that may be used
	case readOnly:
		return s.discover(ctx, d, new(credential.Credential))
	}
	s.discovering.Lock()
	defer s.discovering.Unlock()
	issuer := d.Issuer
	if m := s.resources.get(s.cacheDir("resources"), s.subject(d, d.Resource), s.now()); issuer == "" && m != nil {
		issuer = m.Metadata.AuthorizationServers[0]
	}
	if m := s.servers.get(s.cacheDir("metadata"), s.subject(d, issuer), s.now()); m != nil {
		return m.Metadata, nil
	}
	return nil, fail.New(fail.Usage, "%s: the metadata of its authorization server is not cached yet", d.Name).
		Advise(fail.DoLogIn, account.Name{Provider: d.Name})
}

// serverMetadata returns the metadata of an issuer. The caller holds s.discovering.
func (s *Session) serverMetadata(ctx context.Context, d *provider.Definition, issuer string) (*oauth.Metadata, error) {
	return cached(&s.servers, s.cacheDir("metadata"), s.subject(d, issuer), s.now(), func() (*oauth.Metadata, time.Duration, error) {
		return s.discovery(d).Server(ctx, issuer)
	})
}

// resourceMetadata returns the metadata of the definition's resource. The caller holds s.discovering.
func (s *Session) resourceMetadata(ctx context.Context, d *provider.Definition) (*oauth.ResourceMetadata, error) {
	return cached(&s.resources, s.cacheDir("resources"), s.subject(d, d.Resource), s.now(), func() (*oauth.ResourceMetadata, time.Duration, error) {
		return s.discovery(d).Resource(ctx, d.Resource)
	})
}

// subject is what cached metadata is about. What a server at the base URL says is kept apart from what the issuer
// itself says.
func (s *Session) subject(d *provider.Definition, issuer string) string {
	if base := s.base(d.Name).URL; base != "" {
		return issuer + " at " + base
	}
	return issuer
}

// cached returns metadata from the cache, else from the server. Metadata whose validity has ended is used if the
// server cannot be reached.
func cached[T any](c *documents[T], dir, subject string, now time.Time, request func() (*T, time.Duration, error)) (*T, error) {
	old := c.get(dir, subject, now)
	if old != nil && now.Before(old.Expires) {
		return old.Metadata, nil
	}
	m, validity, err := request()
	switch {
	case err == nil:
		c.put(dir, document[T]{subject, now.Add(validity), m})
		return m, nil
	case old != nil && fail.Is(err, fail.Unavailable):
		return old.Metadata, nil
	}
	return nil, err
}

func (s *Session) discovery(d *provider.Definition) *oauth.Discovery {
	return &oauth.Discovery{HTTP: oauth.NewHTTP(), UserAgent: s.UserAgent, Base: s.base(d.Name)}
}

// cacheDir returns a folder of metadata in the state folder; "": the env store keeps it for this process only.
func (s *Session) cacheDir(kind string) string {
	if s.StateDir == "" || s.Store.Traits().ReadOnly {
		return ""
	}
	return filepath.Join(s.StateDir, kind)
}
