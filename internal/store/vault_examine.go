package store

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
)

// What a diagnosis needs. None of it reads or writes a record.

// VaultServer is a Vault server that can be used.
type VaultServer struct {
	Address string
	Version string
	Took    time.Duration // to answer
	// Ahead is how far its clock is ahead of this machine's; 0 up to 30 seconds.
	Ahead time.Duration
}

// Server asks the server for its state, without a token. One that is sealed or not initialized is a failure of
// kind fail.Store.
func (v *Vault) Server(ctx context.Context) (*VaultServer, error) {
	client, err := v.connect()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	answer, err := client.send(ctx, request{method: http.MethodGet, path: healthPath, open: true})
	if err != nil {
		return nil, client.explain(ctx, "read", healthPath, err)
	}
	var reply struct {
		Initialized *bool
		Sealed      bool
		Version     string
	}
	switch err := json.Unmarshal(answer.body, &reply); {
	case err != nil, reply.Initialized == nil:
		return nil, client.explain(ctx, "read", healthPath, &foreignError{answer.status})
	case !*reply.Initialized:
		return nil, client.failure(nil, "is not initialized")
	case reply.Sealed:
		return nil, client.sealed(nil)
	}
	return &VaultServer{client.settings.address, reply.Version, time.Since(began), time.Duration(v.clock.ahead.Load())}, nil
}

// healthPath answers 200 whatever the state of the server is
// (developer.hashicorp.com/vault/api-docs/system/health). It exists in the root namespace alone.
const healthPath = "sys/health?standbyok=true&perfstandbyok=true&sealedcode=200&uninitcode=200&drsecondarycode=200"

// VaultTokenState is what Vault says of the token that this process uses.
type VaultTokenState struct {
	// Own says that the user provided the token; otherwise every process logs in to Vault by itself.
	Own bool
	// Hidden says that the policies of the token do not allow it to be looked up: nothing else is known.
	Hidden    bool
	Lifetime  time.Duration // that is left; 0: it does not expire
	Renewable bool
	Uses      int // that are left; 0: any number
	Root      bool
}

// TokenState returns the state of the token, after a login to Vault if that is needed.
func (v *Vault) TokenState(ctx context.Context) (*VaultTokenState, error) {
	client, err := v.connect()
	if err != nil {
		return nil, err
	}
	state := &VaultTokenState{Own: client.settings.auth == "token"}
	answer, err := client.send(ctx, request{method: http.MethodGet, path: lookupSelf})
	if lacksCapability(err) {
		state.Hidden = true
		return state, nil
	}
	if err != nil {
		return nil, client.explain(ctx, "read", lookupSelf, err)
	}
	var reply struct {
		Data struct {
			TTL       int64 // seconds
			Renewable bool
			Uses      int `json:"num_uses"`
			Policies  []string
		}
	}
	if err := json.Unmarshal(answer.body, &reply); err != nil {
		return nil, client.failure(credential.ErrForeign, "sent an invalid answer")
	}
	state.Lifetime, state.Renewable, state.Uses = time.Duration(reply.Data.TTL)*time.Second, reply.Data.Renewable, reply.Data.Uses
	state.Root = slices.Contains(reply.Data.Policies, "root")
	return state, nil
}

// What the default policy allows, which a token has unless it was created without.
const (
	lookupSelf       = "auth/token/lookup-self"
	capabilitiesSelf = "sys/capabilities-self"
)

// VaultRights are what the policies of the token allow.
type VaultRights struct {
	Mount string
	// Hidden says that the policies do not allow capabilities to be looked up: nothing below is known.
	Hidden  bool
	List    bool // the accounts
	Records []RecordRights
}

// RecordRights are what the policies of the token allow with the record of an account.
type RecordRights struct {
	Account account.Name
	Path    string
	Read    bool
	Write   bool // for a login or a refresh
	Delete  bool // for a revocation
}

// Rights returns what the token may do with the records of the accounts. A mount that is not a KV engine of version 2 is
// a failure of kind fail.Usage.
func (v *Vault) Rights(ctx context.Context, names []account.Name) (*VaultRights, error) {
	client, err := v.connect()
	if err != nil {
		return nil, err
	}
	paths := []string{client.base()}
	for _, name := range names {
		paths = append(paths, client.path("data", name), client.metadata(name))
	}
	has, err := client.capabilities(ctx, paths...)
	rights := &VaultRights{Mount: client.settings.mount}
	switch {
	case lacksCapability(err):
		rights.Hidden = true
	case err != nil:
		return nil, client.explain(ctx, "update", capabilitiesSelf, err)
	}
	rights.List = has.all(client.base(), "list")
	// Capabilities are those of policies: they say nothing about the mount.
	if rights.List {
		_, err = client.list(ctx, client.base())
	} else {
		err = client.checkMount(ctx)
	}
	switch {
	case err != nil:
		return nil, err
	case rights.Hidden:
		return rights, nil
	}
	for _, name := range names {
		path := client.path("data", name)
		rights.Records = append(rights.Records, RecordRights{
			name, path, has.all(path, "read"), has.all(path, "create", "update"), has.all(client.metadata(name), "delete"),
		})
	}
	return rights, nil
}
