// Command testvault is the core of HashiCorp Vault with what the tests of the vault store need: KV engines of
// both versions, AppRole, JWT and Kubernetes logins, policies, tokens and the file audit device. It is for secrets that
// exist for a test only, and, as Vault is under the Business Source License, built where the tests run and not
// distributed.
//
//	testvault -root TOKEN
//		in memory, initialised and unsealed, with a KV engine of version 2 at secret/
//	testvault -data FOLDER -cert FILE -key FILE
//		on disk and over TLS; starts sealed: sys/init and sys/unseal as usual
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	jwt "github.com/hashicorp/vault-plugin-auth-jwt"
	kubernetes "github.com/hashicorp/vault-plugin-auth-kubernetes"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/audit"
	"github.com/hashicorp/vault/builtin/credential/approle"
	"github.com/hashicorp/vault/helper/namespace"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical"
	"github.com/hashicorp/vault/sdk/physical/file"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

type options struct {
	listen, root, data, cert, key string
	delay                         time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.listen, "listen", "127.0.0.1:0", "`address` to listen on; stdout gets the one in use")
	flag.StringVar(&o.root, "root", "", "root `token`: the server starts initialised and unsealed")
	flag.StringVar(&o.data, "data", "", "`folder` for the storage, instead of memory")
	flag.StringVar(&o.cert, "cert", "", "certificate `file`, for TLS")
	flag.StringVar(&o.key, "key", "", "key `file` of the certificate")
	flag.DurationVar(&o.delay, "delay", 0, "time to wait before each request is handled")
	flag.Parse()
	if err := serve(o); err != nil {
		log.Fatal(err)
	}
}

// serve serves until SIGINT or SIGTERM.
func serve(o options) error {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", o.listen)
	if err != nil {
		return err
	}
	scheme := "http"
	if o.cert != "" {
		scheme = "https"
	}
	core, err := newCore(o.data, scheme+"://"+listener.Addr().String())
	if err != nil {
		return err
	}
	if o.root != "" {
		if err := initialise(core, o.root); err != nil {
			return err
		}
	}
	handler := vaulthttp.Handler.Handler(&vault.HandlerProperties{
		Core:           core,
		ListenerConfig: &configutil.Listener{Type: "tcp", Address: listener.Addr().String(), TLSDisable: o.cert == ""},
	})
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(o.delay)
			handler.ServeHTTP(w, r)
		}),
		TLSConfig:         &tls.Config{MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(os.Stderr, "", 0),
	}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	fmt.Println(listener.Addr())
	if o.cert != "" {
		err = server.ServeTLS(listener, o.cert, o.key)
	} else {
		err = server.Serve(listener)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return core.Shutdown()
	}
	return err
}

// newCore returns a sealed core with its storage in a folder, or in memory.
func newCore(data, address string) (*vault.Core, error) {
	logger := hclog.New(&hclog.LoggerOptions{Level: hclog.Error, Output: os.Stderr})
	storage, kind, err := newStorage(data, logger)
	if err != nil {
		return nil, err
	}
	builtin := registry{
		consts.PluginTypeSecrets:    {"kv": kv.Factory},
		consts.PluginTypeCredential: {"approle": approle.Factory, "jwt": jwt.Factory, "kubernetes": kubernetes.Factory},
	}
	return vault.NewCore(&vault.CoreConfig{
		Physical:           storage,
		StorageType:        kind,
		DisableMlock:       true,
		Logger:             logger,
		BuiltinRegistry:    builtin,
		LogicalBackends:    builtin[consts.PluginTypeSecrets],
		CredentialBackends: builtin[consts.PluginTypeCredential],
		AuditBackends:      map[string]audit.Factory{"file": audit.NewFileBackend},
		DefaultLeaseTTL:    768 * time.Hour,
		MaxLeaseTTL:        768 * time.Hour,
		RedirectAddr:       address,
	})
}

func newStorage(data string, logger hclog.Logger) (storage physical.Backend, kind string, err error) {
	if data == "" {
		storage, err = inmem.NewInmem(nil, logger)
		return storage, "inmem", err
	}
	storage, err = file.NewFileBackend(map[string]string{"path": data}, logger)
	return storage, "file", err
}

// initialise does what "vault server -dev" does.
func initialise(core *vault.Core, root string) error {
	ctx := namespace.ContextWithNamespace(context.Background(), namespace.RootNamespace)
	result, err := core.Initialize(ctx, &vault.InitParams{
		BarrierConfig: &vault.SealConfig{SecretShares: 1, SecretThreshold: 1, StoredShares: 1},
	})
	if err != nil {
		return err
	}
	// Unseal overwrites the share.
	if _, err := core.Unseal(append([]byte(nil), result.SecretShares[0]...)); err != nil {
		return err
	}
	for _, request := range []struct {
		path string
		data map[string]any
	}{
		{"auth/token/create", map[string]any{"id": root, "policies": []string{"root"}, "no_parent": true, "no_default_policy": true}},
		{"sys/mounts/secret", map[string]any{"type": "kv", "options": map[string]string{"version": "2"}}},
	} {
		reply, err := core.HandleRequest(ctx, &logical.Request{
			Operation: logical.UpdateOperation, ClientToken: result.RootToken, Path: request.path, Data: request.data,
		})
		if err == nil && reply.IsError() {
			err = reply.Error()
		}
		if err != nil {
			return fmt.Errorf("%s: %w", request.path, err)
		}
	}
	return nil
}

// registry is the list of engines that are built in, so that Vault looks for no plugin on disk.
type registry map[consts.PluginType]map[string]logical.Factory

func (r registry) Contains(name string, t consts.PluginType) bool { return r[t][name] != nil }

func (r registry) Get(name string, t consts.PluginType) (func() (any, error), bool) {
	factory := r[t][name]
	return func() (any, error) { return factory, nil }, factory != nil
}

func (r registry) Keys(t consts.PluginType) (names []string) {
	for name := range r[t] {
		names = append(names, name)
	}
	return names
}

func (r registry) DeprecationStatus(name string, t consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, r.Contains(name, t)
}

func (r registry) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }
