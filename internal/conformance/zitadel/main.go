// Command zitadel serves a second OpenID implementation (github.com/zitadel/oidc) on loopback, for the
// conformance tests. The first line of its output is the issuer. It logs everybody in without pages: a
// client that follows redirects is enough. POST /_control/approve?user_code=CODE approves a device.
package main

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// alice is a user of the example storage.
const alice = "id1"

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "zitadel:", err)
		os.Exit(1)
	}
}

func serve() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	issuer := "http://" + listener.Addr().String()
	storage.RegisterClients(
		storage.NativeClient("native", "http://127.0.0.1/callback"),
		storage.DeviceClient("device", "device-secret"),
		storage.WebClient("web", "web-secret", "http://127.0.0.1/callback"), // may exchange tokens
	)
	users := storage.NewUserStore(issuer)
	keep := storage.NewStorage(users)
	provider := exampleop.SetupServer(issuer, keep, slog.New(slog.NewTextHandler(io.Discard, nil)), false, op.WithAllowInsecure())
	user := users.GetUserByID(alice)

	mux := http.NewServeMux()
	mux.HandleFunc("GET /login/username", func(w http.ResponseWriter, r *http.Request) {
		id := r.FormValue("authRequestID")
		if err := keep.CheckUsernamePassword(user.Username, user.Password, id); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		http.Redirect(w, r, "/auth/callback?id="+id, http.StatusFound)
	})
	mux.HandleFunc("POST /_control/approve", func(w http.ResponseWriter, r *http.Request) {
		if err := keep.CompleteDeviceAuthorization(r.Context(), r.FormValue("user_code"), alice); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	})
	mux.Handle("/", provider)
	fmt.Println(issuer)
	return http.Serve(listener, mux)
}
