package oauth

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
)

// Reached is what a request without any credential tells about the way to a provider.
type Reached struct {
	Origin string
	Status int
	Took   time.Duration
	// Skew is how far the provider's clock is ahead of the local one, to the second. Dated is false where
	// the reply has no readable date.
	Skew  time.Duration
	Dated bool
	// Issuer vouches for the certificate; empty without TLS. Where it is no public authority, something
	// on the way opens the traffic.
	Issuer string
}

// Reach asks the origin of the token endpoint for its front page, by HEAD, and takes any answer for a
// good one. Nothing that belongs to an account is sent.
func (c *Client) Reach(ctx context.Context) (*Reached, error) {
	origin := c.Definition.Origin()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, origin+"/", nil)
	if err != nil {
		return nil, fail.New(fail.Usage, "%s: %w", c.Definition.Name, err)
	}
	c.dress(req)
	// A copy that a cache kept has the date on which it was made.
	req.Header.Set("Cache-Control", "no-cache")
	asked := c.now()
	resp, err := c.do(req, nil)
	if err != nil {
		return nil, c.unreachable(req, err, nil)
	}
	defer resp.Body.Close()
	r := &Reached{Origin: origin, Status: resp.StatusCode, Took: c.now().Sub(asked)}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		age, _ := strconv.Atoi(resp.Header.Get("Age"))
		r.Skew, r.Dated = date.Add(time.Duration(age)*time.Second).Sub(asked.Add(r.Took/2)).Round(time.Second), true
	}
	if resp.TLS != nil && len(resp.TLS.PeerCertificates) > 0 {
		issuer := resp.TLS.PeerCertificates[0].Issuer
		r.Issuer = issuer.CommonName
		if len(issuer.Organization) > 0 {
			r.Issuer = issuer.Organization[0]
		}
		r.Issuer = redact.Scrub(r.Issuer, 80)
	}
	return r, nil
}
