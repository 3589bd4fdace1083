package acceptance

import (
	"archive/zip"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdToolServer serves what a tool asks a credential for, on this machine:
//
//	toolserver git VARIABLE FOLDER  the git repositories in a folder, over http
//	toolserver go VARIABLE CERT KEY          the Go module example.com/hello, over https
//	toolserver kubernetes VARIABLE CERT KEY  an API server, over https
//	toolserver registry VARIABLE             a container registry, over http
//
// VARIABLE becomes its address, without the scheme. A server takes every token that the sandbox's Monta takes.
func cmdToolServer(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || neg {
		ts.Fatalf("usage: toolserver KIND VARIABLE ...")
	}
	monta := of(ts).need(ts).URL + "/monta/api/v1/auth/me"
	var handler http.Handler
	switch args[0] {
	case "git":
		path, err := exec.CommandContext(context.Background(), "git", "--exec-path").Output()
		ts.Check(err)
		handler = &cgi.Handler{
			Path: filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"),
			Env:  []string{"GIT_PROJECT_ROOT=" + ts.MkAbs(args[2]), "GIT_HTTP_EXPORT_ALL=1"},
		}
	case "go":
		handler = http.HandlerFunc(serveModule)
	case "kubernetes":
		handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"kind":"Status","status":"Success"}`)
		})
	case "registry":
		handler = http.HandlerFunc(serveRegistry)
	default:
		ts.Fatalf("unknown kind %q", args[0])
	}
	server := httptest.NewUnstartedServer(onlyWithToken(handler, monta))
	if len(args) == 4 {
		serveTLS(ts, server, args[2], args[3])
	} else {
		server.Start()
	}
	ts.Defer(server.Close)
	_, address, _ := strings.Cut(server.URL, "://")
	ts.Setenv(args[1], strings.Replace(address, "127.0.0.1", "localhost", 1))
}

func serveTLS(ts *testscript.TestScript, server *httptest.Server, cert, key string) {
	pair, err := tls.LoadX509KeyPair(ts.MkAbs(cert), ts.MkAbs(key))
	ts.Check(err)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.StartTLS()
}

// onlyWithToken lets a request pass if its bearer token or password is one that the API at address takes.
func onlyWithToken(next http.Handler, address string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, token, basic := r.BasicAuth()
		if !basic {
			token, _ = strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		}
		req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, address, nil)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// serveModule speaks the GOPROXY protocol.
func serveModule(w http.ResponseWriter, r *http.Request) {
	const goMod = "module example.com/hello\n"
	switch r.URL.Path {
	case "/example.com/hello/@v/list":
		_, _ = io.WriteString(w, "v1.0.0\n")
	case "/example.com/hello/@v/v1.0.0.info":
		_, _ = io.WriteString(w, `{"Version":"v1.0.0"}`)
	case "/example.com/hello/@v/v1.0.0.mod":
		_, _ = io.WriteString(w, goMod)
	case "/example.com/hello/@v/v1.0.0.zip":
		z := zip.NewWriter(w)
		file, err := z.Create("example.com/hello@v1.0.0/go.mod")
		if err == nil {
			_, _ = io.WriteString(file, goMod)
			_ = z.Close()
		}
	default:
		http.NotFound(w, r)
	}
}

// serveRegistry has one manifest (https://distribution.github.io/distribution/spec/api/).
func serveRegistry(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	const digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a" // of {}
	switch {
	case strings.Contains(r.URL.Path, "/blobs/"):
		_, _ = io.WriteString(w, "{}")
	case strings.Contains(r.URL.Path, "/manifests/"):
		const manifest = "application/vnd.docker.distribution.manifest.v2+json"
		w.Header().Set("Content-Type", manifest)
		_, _ = io.WriteString(w, `{"schemaVersion":2,"mediaType":"`+manifest+`",`+
			`"config":{"mediaType":"application/vnd.docker.container.image.v1+json","size":2,"digest":"`+digest+`"},`+
			`"layers":[{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":2,"digest":"`+digest+`"}]}`)
	}
}
