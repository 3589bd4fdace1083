package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
)

const (
	vaultTime   = 10 * time.Second // one request, its answer included
	maxVault    = 1 << 20          // bytes of an answer
	vaultTries  = 3                // of a request that the server could not handle
	indexRetry  = 3 * time.Second  // of reads from a server that is behind (412)
	vaultPrefix = "/v1/"
)

// vaultClient sends requests to one Vault server. It is safe for use by several goroutines.
type vaultClient struct {
	settings *vaultSettings
	clock    *vaultClock
	http     *http.Client

	loginMu sync.Mutex // held while this process logs in
	token   string

	mu        sync.Mutex
	index     string // the last X-Vault-Index
	noForward bool   // the server answers 400 to X-Vault-Inconsistent
}

type request struct {
	method string
	path   string // below /v1/
	body   any
	// consistent: the answer must include every write that this process knows of.
	consistent bool
	// open: sent without a token.
	open bool
	// once: not repeated if the server may have handled it.
	once bool
}

// vaultAnswer is an answer of Vault. One that is not a success is an error.
type vaultAnswer struct {
	status int
	date   time.Time
	body   []byte
	errors []string
}

func (a *vaultAnswer) Error() string {
	if len(a.errors) == 0 {
		return fmt.Sprintf("status %d", a.status)
	}
	return fmt.Sprintf("status %d: %s", a.status, strings.Join(a.errors, "; "))
}

// invalidToken reports whether the token is the reason for a refusal.
func (a *vaultAnswer) invalidToken() bool {
	return strings.Contains(strings.Join(a.errors, " "), "invalid token")
}

// lostError is a request whose answer did not arrive: it may have been handled.
type lostError struct{ err error }

func (e *lostError) Error() string { return reason(e.err) }
func (e *lostError) Unwrap() error { return e.err }

// foreignError is an answer that Vault does not give: something else is at the address.
type foreignError struct{ status int }

func (e *foreignError) Error() string { return fmt.Sprintf("status %d", e.status) }

// lacksCapability reports whether the policies of a token that is valid do not allow a request.
func lacksCapability(err error) bool {
	var answer *vaultAnswer
	return errors.As(err, &answer) && answer.status == http.StatusForbidden && !answer.invalidToken()
}

func isStatus(err error, status int) bool {
	var answer *vaultAnswer
	return errors.As(err, &answer) && answer.status == status
}

// send sends a request, logging in first if that was not done. It repeats what the server could not handle
// (429 and 5xx, and no connection), for reads from a server that is behind, and once after a token expired
// that a new login replaces.
func (c *vaultClient) send(ctx context.Context, r request) (*vaultAnswer, error) {
	start := time.Now()
	for try := 1; ; try++ {
		token, err := c.login(ctx, r)
		if err != nil {
			return nil, err
		}
		answer, err := c.sendOnce(ctx, r, token)
		var lost *lostError
		switch {
		case err == nil:
			return answer, nil
		case ctx.Err() != nil:
			return nil, err
		case isStatus(err, http.StatusPreconditionFailed) && time.Since(start) < indexRetry:
			try = 0
		case isStatus(err, http.StatusBadRequest) && r.consistent && c.stopForwarding():
			continue
		case isStatus(err, http.StatusForbidden) && !r.open && try == 1 && c.discard(ctx, token):
			continue
		case try >= vaultTries, r.once && !isStatus(err, http.StatusTooManyRequests):
			return nil, err
		case errors.As(err, &lost), serverTrouble(err):
		default:
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(time.Duration(try+1)*150*time.Millisecond + rand.N(150*time.Millisecond)):
		}
	}
}

// serverTrouble reports whether the server says that trying again may help.
func serverTrouble(err error) bool {
	var answer *vaultAnswer
	return errors.As(err, &answer) && (answer.status == http.StatusTooManyRequests || answer.status >= 500)
}

func (c *vaultClient) sendOnce(ctx context.Context, r request, token string) (*vaultAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, vaultTime)
	defer cancel()
	var body io.Reader
	if r.body != nil {
		text, err := json.Marshal(r.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, c.settings.address+vaultPrefix+r.path, body)
	if err != nil {
		return nil, err
	}
	c.dress(req, r, token)
	sent := c.clock.local()
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, &lostError{err}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxVault+1))
	if err != nil || len(text) > maxVault {
		return nil, &lostError{fmt.Errorf("an answer that is too large or was cut off: %w", err)}
	}
	if index := resp.Header.Get("X-Vault-Index"); index != "" {
		c.mu.Lock()
		c.index = index
		c.mu.Unlock()
	}
	answer := &vaultAnswer{status: resp.StatusCode, body: text}
	answer.date, _ = http.ParseTime(resp.Header.Get("Date"))
	var reply struct {
		Errors []string        `json:"errors"`
		Data   json.RawMessage `json:"data"`
	}
	err = json.Unmarshal(text, &reply)
	answer.errors = reply.Errors
	success := resp.StatusCode >= 200 && resp.StatusCode < 300
	refusal := resp.StatusCode >= 400 && resp.StatusCode < 500 && resp.StatusCode != http.StatusTooManyRequests
	switch {
	case success && len(text) > 0 && err != nil, refusal && reply.Errors == nil && reply.Data == nil:
		return nil, &foreignError{resp.StatusCode}
	case success:
		c.clock.compare(sent, answer.date)
		return answer, nil
	}
	return nil, answer
}

// dress sets the headers. X-Vault-Request is what a Vault agent demands against requests forged by browsers.
func (c *vaultClient) dress(req *http.Request, r request, token string) {
	req.Header.Set("X-Vault-Request", "true")
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if !r.open {
		req.Header.Set("X-Vault-Token", token)
	}
	if c.settings.namespace != "" && r.path != healthPath {
		req.Header.Set("X-Vault-Namespace", c.settings.namespace)
	}
	if !r.consistent {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.index != "" {
		req.Header.Set("X-Vault-Index", c.index)
		if !c.noForward {
			req.Header.Set("X-Vault-Inconsistent", "forward-active-node")
		}
	}
}

// stopForwarding reports whether a read may have failed because of X-Vault-Inconsistent, which a server
// rejects unless it is configured to allow it, and sends no more of them.
func (c *vaultClient) stopForwarding() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	stopped := c.index != "" && !c.noForward
	c.noForward = true
	return stopped
}

func (c *vaultClient) base() string { return c.settings.mount + "/metadata/" + c.settings.path + "/" }

// path returns the path of an account's record in one of the trees of the engine: data, metadata, destroy.
func (c *vaultClient) path(tree string, name account.Name) string {
	return c.settings.mount + "/" + tree + "/" + c.settings.path + "/" + name.String()
}

func (c *vaultClient) metadata(name account.Name) string { return c.path("metadata", name) }

func (c *vaultClient) read(ctx context.Context, name account.Name, consistent bool) (*vaultRecord, error) {
	path := c.path("data", name)
	answer, err := c.send(ctx, request{method: http.MethodGet, path: path, consistent: consistent})
	if isStatus(err, http.StatusNotFound) && errors.As(err, &answer) && len(answer.errors) == 0 {
		// Deleted: the record keeps its version. Otherwise the record or the engine is missing.
		if record, err := parseRecord(name, answer); err == nil && record.version > 0 {
			return record, nil
		}
		if err := c.checkMount(ctx); err != nil {
			return nil, err
		}
		return &vaultRecord{date: answer.date}, nil
	}
	if err != nil {
		return nil, c.explain(ctx, "read", path, err)
	}
	record, err := parseRecord(name, answer)
	if err != nil {
		return nil, foreignRecord(c, name, err)
	}
	return record, nil
}

// parseRecord reads an answer of the engine. Its errors quote nothing of it.
func parseRecord(name account.Name, answer *vaultAnswer) (*vaultRecord, error) {
	var reply struct {
		Data struct {
			Data *struct {
				Credential string  `json:"credential"`
				Holder     *holder `json:"holder"`
			} `json:"data"`
			Metadata struct {
				Version int64     `json:"version"`
				Created time.Time `json:"created_time"`
			} `json:"metadata"`
		} `json:"data"`
	}
	if err := json.Unmarshal(answer.body, &reply); err != nil {
		return nil, credential.ErrForeign
	}
	record := &vaultRecord{version: reply.Data.Metadata.Version, created: reply.Data.Metadata.Created, date: answer.date}
	if record.version == 0 && answer.status == http.StatusOK {
		return nil, errKV1
	}
	if reply.Data.Data == nil {
		return record, nil
	}
	c, err := credential.Decode(name, []byte(reply.Data.Data.Credential))
	if err != nil {
		return nil, err
	}
	record.credential, record.holder = c, reply.Data.Data.Holder
	return record, nil
}

// write writes a record if its version is still cas.
func (c *vaultClient) write(ctx context.Context, name account.Name, cas int64, text string, by *holder) (*vaultRecord, error) {
	data := map[string]any{"credential": text}
	if by != nil {
		data["holder"] = by
	}
	path := c.path("data", name)
	answer, err := c.send(ctx, request{
		method: http.MethodPost, path: path, once: true,
		body: map[string]any{"options": map[string]any{"cas": cas}, "data": data},
	})
	if err != nil {
		return nil, c.explain(ctx, "update", path, err)
	}
	var reply struct {
		Data struct {
			Version int64     `json:"version"`
			Created time.Time `json:"created_time"`
		} `json:"data"`
	}
	if json.Unmarshal(answer.body, &reply) != nil || reply.Data.Version == 0 {
		return nil, c.explain(ctx, "update", path, errKV1)
	}
	return &vaultRecord{version: reply.Data.Version, created: reply.Data.Created, date: answer.date}, nil
}

// list returns the keys below a path of the metadata: none if there is nothing.
func (c *vaultClient) list(ctx context.Context, path string) ([]string, error) {
	answer, err := c.send(ctx, request{method: http.MethodGet, path: path + "?list=true"})
	if isStatus(err, http.StatusNotFound) && errors.As(err, &answer) && len(answer.errors) == 0 {
		return nil, c.checkMount(ctx)
	}
	if err != nil {
		return nil, c.explain(ctx, "list", path, err)
	}
	var reply struct {
		Data struct {
			Keys []string `json:"keys"`
		} `json:"data"`
	}
	if err := json.Unmarshal(answer.body, &reply); err != nil {
		return nil, c.explain(ctx, "list", path, credential.ErrForeign)
	}
	return reply.Data.Keys, nil
}
