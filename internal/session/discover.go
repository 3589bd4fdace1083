package session

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"path/filepath"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/oauth"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/safefile"
)

// maxCached bounds a cached metadata document, in bytes.
const maxCached = 2 << 20

// cached is metadata in the state folder, with its validity.
type cached struct {
	Expires  time.Time       `json:"expires"`
	Metadata *oauth.Metadata `json:"metadata"`
}

// discover returns the metadata of a definition's authorization server: from the state folder, else from the
// server. Metadata whose validity has ended is used where the server cannot be reached. The env store keeps it
// for this process only.
func (s *Session) discover(ctx context.Context, d *provider.Definition) (*oauth.Metadata, error) {
	server := &oauth.Discovery{HTTP: oauth.NewHTTP(), UserAgent: s.UserAgent}
	if d.Issuer == "" {
		return nil, s.issuerUnconfirmed(ctx, server, d)
	}
	s.discovering.Lock()
	defer s.discovering.Unlock()
	old := s.cachedMetadata(d.Issuer)
	if old != nil && s.now().Before(old.Expires) {
		return old.Metadata, nil
	}
	m, validity, err := server.Server(ctx, d.Issuer)
	switch {
	case err == nil:
		s.cacheMetadata(cached{s.now().Add(validity), m})
		return m, nil
	case old != nil && fail.Is(err, fail.Unavailable):
		return old.Metadata, nil
	}
	return nil, err
}

// discovered returns the cached metadata of a definition's authorization server, whatever its validity, for
// commands that only read. It sends nothing, except in the env store, which has no cache between processes.
func (s *Session) discovered(ctx context.Context, d *provider.Definition) (*oauth.Metadata, error) {
	if !s.caches() {
		return s.discover(ctx, d)
	}
	s.discovering.Lock()
	defer s.discovering.Unlock()
	if c := s.cachedMetadata(d.Issuer); c != nil {
		return c.Metadata, nil
	}
	return nil, fail.New(fail.Usage, "%s: the metadata of its authorization server is not cached yet", d.Name).
		Advise(fail.DoLogIn, account.Name{Provider: d.Name})
}

// issuerUnconfirmed names the issuer of a resource whose definition names none: a resource must not choose by
// itself where the user logs in.
func (s *Session) issuerUnconfirmed(ctx context.Context, server *oauth.Discovery, d *provider.Definition) error {
	m, _, err := server.Resource(ctx, d.Resource, "")
	if err != nil {
		return err
	}
	return fail.New(fail.Usage, "%s: the resource names the issuer %q; if you trust it, write it as issuer in the definition",
		d.Name, m.AuthorizationServers[0])
}

// caches reports whether metadata is kept between runs.
func (s *Session) caches() bool { return s.StateDir != "" && !s.Store.Traits().ReadOnly }

func (s *Session) metadataFile(issuer string) string {
	sum := sha256.Sum256([]byte(issuer))
	return filepath.Join(s.StateDir, "metadata", hex.EncodeToString(sum[:16])+".json")
}

// cachedMetadata returns nil for a file that is missing, damaged or about another issuer. The caller holds
// s.discovering.
func (s *Session) cachedMetadata(issuer string) *cached {
	if c := s.metadata[issuer]; c != nil && s.now().Before(c.Expires) {
		return c
	}
	if !s.caches() {
		return nil
	}
	text, err := safefile.Read(s.metadataFile(issuer), maxCached, safefile.Private)
	if err != nil {
		return nil
	}
	c := new(cached)
	if json.Unmarshal(text, c) != nil || c.Metadata == nil || c.Metadata.Issuer != issuer {
		return nil
	}
	return c
}

// cacheMetadata does its best: without a file the next process requests the metadata again. The caller holds
// s.discovering.
func (s *Session) cacheMetadata(c cached) {
	if s.metadata == nil {
		s.metadata = map[string]*cached{}
	}
	s.metadata[c.Metadata.Issuer] = &c
	if !s.caches() {
		return
	}
	path := s.metadataFile(c.Metadata.Issuer)
	if text, err := json.Marshal(c); err == nil && safefile.EnsureDir(filepath.Dir(path)) == nil {
		_ = safefile.WriteAtomic(path, text)
	}
}
