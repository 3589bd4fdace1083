package store

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
)

// Vault keeps credentials in the KV engine, version 2, of HashiCorp Vault or OpenBao, shared by every machine
// that may read it. An account is one record, MOUNT/data/PATH/PROVIDER or MOUNT/data/PATH/PROVIDER/NAME, with
// the fields credential (the stored form, as one text) and holder (the process that is refreshing it). Every
// write is a check-and-set, so Swap compares and writes in one step.
//
// Nothing is contacted before the first call, and one login to Vault serves the whole process. Settings that
// are missing or wrong are failures of kind fail.Usage, everything else of kind fail.Store. It is safe for
// use by several goroutines.
type Vault struct {
	options VaultOptions
	clock   *vaultClock
	connect func() (*vaultClient, error)

	mu    sync.Mutex
	known map[account.Name]vaultRecord // as this process last read or wrote them
}

// VaultOptions connect a Vault to the process.
type VaultOptions struct {
	Getenv func(string) string
	// StateDir keeps the random id by which a mark is recognized as one of this machine's.
	StateDir string
	// CheckNetwork checks the proxy and certificate settings before the first request.
	CheckNetwork func() error
	// Notify receives messages for the user, one line each. By default they are dropped.
	Notify func(text string)
	// Now is this machine's clock; time.Now if nil.
	Now func() time.Time
}

// NewVault returns a store over a Vault server, which it does not contact yet.
func NewVault(options VaultOptions) *Vault {
	if options.Notify == nil {
		options.Notify = func(string) {}
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	v := &Vault{options: options, known: make(map[account.Name]vaultRecord)}
	v.clock = &vaultClock{local: options.Now, warn: options.Notify}
	v.connect = sync.OnceValues(func() (*vaultClient, error) { return newVaultClient(options, v.clock) })
	return v
}

// Now returns the time by this machine's clock or, if the last answer of Vault showed that it is wrong, by
// Vault's.
func (v *Vault) Now() time.Time { return v.clock.now() }

// Kind returns "vault".
func (v *Vault) Kind() string { return "vault" }

// Traits returns Shared.
func (v *Vault) Traits() Traits { return Traits{Shared: true} }

// vaultRecord is what Vault holds for an account.
type vaultRecord struct {
	version    int64                  // 0: there is no record. A deleted one keeps its version
	credential *credential.Credential // nil: none
	holder     *holder                // nil: nobody is refreshing it
	created    time.Time              // of the version, by the clock of the server
	date       time.Time              // when the server answered, by its clock
}

// Get returns the account's credential, or an error that wraps ErrNotFound. It is one request.
func (v *Vault) Get(ctx context.Context, name account.Name) (*credential.Credential, error) {
	record, err := v.read(ctx, name, false)
	if err != nil {
		return nil, err
	}
	if record.credential == nil {
		return nil, absent(name)
	}
	return record.credential, nil
}

// Swap saves next, without a mark, if Vault holds old, even if another process is refreshing it.
// The record that this process read last is tried first, without reading it again.
func (v *Vault) Swap(ctx context.Context, old, next *credential.Credential) error {
	record := v.remembered(next.Account)
	if record == nil || checkOld(next.Account, old, record.credential) != nil {
		var err error
		if record, err = v.read(ctx, next.Account, true); err != nil {
			return err
		}
	}
	for {
		if err := checkOld(next.Account, old, record.credential); err != nil {
			return err
		}
		now, err := v.write(ctx, next, nil, record)
		if !errors.Is(err, ErrChanged) {
			return err
		}
		record = now
	}
}

// Delete deletes every version of the record. If the policy does not allow that, it destroys the versions and
// says that the empty record remains. It reads the record once more before: if another process changed it
// since this one read it, nothing is deleted.
func (v *Vault) Delete(ctx context.Context, name account.Name) error {
	before := v.remembered(name)
	record, err := v.read(ctx, name, true)
	if err != nil {
		return err
	}
	if record.version == 0 {
		return nil
	}
	if before != nil && before.version != record.version {
		if err := checkOld(name, before.credential, record.credential); err != nil {
			return err
		}
	}
	client, err := v.connect()
	if err != nil {
		return err
	}
	v.forget(name)
	_, err = client.send(ctx, request{method: http.MethodDelete, path: client.metadata(name)})
	if !isStatus(err, http.StatusForbidden) {
		return client.explain(ctx, "delete", client.metadata(name), err)
	}
	versions := make([]int64, 0, maxDestroyed)
	for n := record.version; n > 0 && len(versions) < maxDestroyed; n-- {
		versions = append(versions, n)
	}
	destroy := client.path("destroy", name)
	_, destroyErr := client.send(ctx, request{method: http.MethodPut, path: destroy, body: map[string]any{"versions": versions}})
	switch {
	case isStatus(destroyErr, http.StatusForbidden):
		return client.explain(ctx, "delete", client.metadata(name), err)
	case destroyErr != nil:
		return client.explain(ctx, "update", destroy, destroyErr)
	}
	v.options.Notify("the policies of this Vault token do not allow delete on " + client.metadata(name) + ": its versions were destroyed, the empty record remains")
	return nil
}

// maxDestroyed bounds the versions that Delete destroys; Vault keeps 10 unless it is configured otherwise.
const maxDestroyed = 200

// List returns the names of the accounts that have a record, sorted. It reads no record.
func (v *Vault) List(ctx context.Context) ([]account.Name, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	client, err := v.connect()
	if err != nil {
		return nil, err
	}
	keys, err := client.list(ctx, client.base())
	if err != nil {
		return nil, err
	}
	var names []account.Name
	for _, key := range keys {
		provider, isFolder := strings.CutSuffix(key, "/")
		labels := []string{""}
		if isFolder {
			if labels, err = client.list(ctx, client.base()+provider+"/"); err != nil {
				return nil, err
			}
		}
		for _, label := range labels {
			if name := (account.Name{Provider: provider, Label: label}); valid(name) == nil && (label != "") == isFolder {
				names = append(names, name)
			}
		}
	}
	account.Sort(names)
	return names, nil
}

// Prove checks that the token may write the account's record, without writing it.
func (v *Vault) Prove(ctx context.Context, name account.Name) error {
	client, err := v.connect()
	if err != nil {
		return err
	}
	path := client.path("data", name)
	has, err := client.capabilities(ctx, path)
	if err != nil {
		return client.explain(ctx, "update", capabilitiesSelf, err)
	}
	if missing := has.missing(path, "create", "update"); len(missing) > 0 {
		return notAllowed(strings.Join(missing, " and "), path)
	}
	return nil
}

func (v *Vault) read(ctx context.Context, name account.Name, consistent bool) (*vaultRecord, error) {
	if err := usable(ctx, name); err != nil {
		return nil, err
	}
	client, err := v.connect()
	if err != nil {
		return nil, err
	}
	record, err := client.read(ctx, name, consistent)
	if err != nil {
		v.forget(name)
		return nil, err
	}
	v.remember(name, record)
	return record, nil
}

// writeTries bounds how often a write is tried whose answer was lost.
const writeTries = 3

// write replaces a record, with the mark of a holder or without. If another version is there by now, it
// returns that and an error that wraps ErrChanged.
func (v *Vault) write(ctx context.Context, c *credential.Credential, by *holder, record *vaultRecord) (*vaultRecord, error) {
	name := c.Account
	if err := usable(ctx, name); err != nil {
		return nil, err
	}
	text, err := credential.Encode(c)
	if err != nil {
		return nil, err
	}
	client, err := v.connect()
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		written, err := client.write(ctx, name, record.version, string(text), by)
		if err == nil {
			written.credential, written.holder = c, by
			v.remember(name, written)
			return written, nil
		}
		if !unsettled(err) {
			return nil, err
		}
		// A conflict, or an answer that was lost: what the record holds now tells which.
		now, readErr := v.read(context.WithoutCancel(ctx), name, true)
		switch {
		case readErr != nil:
			return nil, readErr
		case now.version == record.version && try < writeTries:
			continue
		case now.version == record.version:
			return nil, err
		case now.credential != nil && now.credential.Equal(c) && now.holder.equal(by):
			return now, nil
		}
		return now, changed(name)
	}
}

func (v *Vault) remember(name account.Name, record *vaultRecord) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.known[name] = *record
}

func (v *Vault) forget(name account.Name) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.known, name)
}

func (v *Vault) remembered(name account.Name) *vaultRecord {
	v.mu.Lock()
	defer v.mu.Unlock()
	if record, ok := v.known[name]; ok {
		return &record
	}
	return nil
}

// unsettled reports whether a write may have been made, or met another version than it expected.
func unsettled(err error) bool {
	var answer *vaultAnswer
	if errors.As(err, &answer) {
		return answer.status == http.StatusBadRequest || answer.status >= 500
	}
	var lost *lostError
	var foreign *foreignError
	return errors.As(err, &lost) || errors.As(err, &foreign)
}
