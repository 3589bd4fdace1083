package sandbox

import "maps"

// Stats are the counts of one provider since the start or the last reset.
type Stats struct {
	// Requests that arrived, by operation, whatever became of them.
	Requests map[string]int `json:"requests"`

	// What was given.
	Allowed   int `json:"consents_allowed"`
	Denied    int `json:"consents_denied"`
	Exchanges int `json:"exchanges"` // codes for tokens
	Refreshes int `json:"refreshes"`
	Mints     int `json:"mints"` // tokens for client credentials or a password
	Revokes   int `json:"revokes"`
	APICalls  int `json:"api"` // answered with success

	// What was not.
	Refused             int `json:"refused"`
	ReusedRefreshTokens int `json:"reused_refresh_tokens"`
	ReusedCodes         int `json:"reused_codes"`
	Faults              int `json:"faults"`

	// Files fetched from the other host, and how many of those requests brought a token along.
	Downloads                  int `json:"downloads"`
	DownloadsWithAuthorization int `json:"downloads_with_authorization"`
}

// count books a decided request. The lock is held.
func (s *Server) count(c *request, f *Fault, out *reply) {
	st := c.st
	if c.op == opFile {
		st = s.providers["moneybird"]
	}
	if st == nil {
		return
	}
	st.stats.Requests[c.op]++
	if f != nil {
		st.stats.Faults++
		if !f.handles() {
			return
		}
	}
	switch {
	case out.refused:
		st.stats.Refused++
	case out.granted != nil:
		out.granted(&st.stats)
	case c.op == opAPI:
		st.stats.APICalls++
	}
}

// Stats returns the counts by provider.
func (s *Server) Stats() map[string]Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]Stats{}
	for name, st := range s.providers {
		copied := st.stats
		copied.Requests = maps.Clone(st.stats.Requests)
		all[name] = copied
	}
	return all
}
