package jwt_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/jwt"
)

// unsigned returns a JWT whose signature nobody made.
func unsigned(claims string) string {
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(`{"alg":"RS256"}`)) + "." + part([]byte(claims)) + "." + part([]byte("signature"))
}

// What is no JWT is told from what is one, whatever it looks like.
func TestCheck(t *testing.T) {
	part := base64.RawURLEncoding.EncodeToString
	header, claims := part([]byte(`{"alg":"RS256"}`)), part([]byte(`{"sub":"a"}`))
	for text, good := range map[string]bool{
		unsigned(`{"sub":"a"}`):        true,
		"":                             false,
		"planted-token":                false,
		"a.b.c":                        false,
		header + "." + claims:          false,
		header + "." + claims + ".":    false, // alg none
		header + "." + claims + ".c.d": false,
		header + "." + claims + ".###": false,
		header + "." + part([]byte(`["a"]`)) + ".c2ln":         false,
		header + "." + part([]byte("null")) + ".c2ln":          false,
		part([]byte(`{"typ":"JWT"}`)) + "." + claims + ".c2ln": false,
		" " + unsigned(`{"sub":"a"}`):                          false,
	} {
		if err := jwt.Check(text); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// githubJob returns a source in a GitHub Actions job whose ID tokens answer writes.
func githubJob(t *testing.T, answer func(http.ResponseWriter, *http.Request)) *jwt.Source {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(answer))
	t.Cleanup(server.Close)
	env := map[string]string{jwt.IDTokenURL: server.URL + "/token?api-version=2.0", jwt.IDTokenToken: "planted-request-token"}
	return &jwt.Source{From: jwt.FromGitHub, Getenv: func(name string) string { return env[name] }, HTTP: server.Client()}
}

// The request for an ID token carries the job's token and names the audience.
func TestGitHub(t *testing.T) {
	s := githubJob(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer planted-request-token" || r.URL.Query().Get("api-version") != "2.0" {
			t.Errorf("%s %v", r.URL, r.Header)
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"value": unsigned(`{"aud":"` + r.URL.Query().Get("audience") + `"}`)})
	})
	s.Audience = "https://a.example/?x=1&y"
	token, err := s.Get(t.Context())
	var claims struct{ Aud string }
	if err != nil || jwt.Claims(token, &claims) != nil || claims.Aud != s.Audience {
		t.Fatalf("%q, %v", claims.Aud, err)
	}
}

// An answer that is no ID token is a failure that quotes nothing of it, and no redirect is followed.
func TestGitHubAnswers(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request){
		"refused": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "planted-request-token", http.StatusForbidden)
		},
		"HTML": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
		"no JWT": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"value":"planted-request-token"}`)
		},
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"value":"`+strings.Repeat("a", 1<<20)+`"}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := githubJob(t, answer).Get(t.Context())
			if !fail.Is(err, fail.Unavailable) || strings.Contains(err.Error(), "planted") {
				t.Errorf("%v", err)
			}
		})
	}
}

// What a source lacks is a usage failure before anything is sent, and a text that is no JWT is not quoted.
func TestSourceLacks(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := unsigned(`{"sub":"a"}`)
	env := map[string]string{
		"GOOD": " " + good + "\n", "BAD": "planted-token", "TWO": good + "\n" + good,
		jwt.IDTokenURL: "http://elsewhere.example/token", jwt.IDTokenToken: "planted-request-token",
	}
	for name, test := range map[string]struct {
		source jwt.Source
		text   string // of the failure; empty: it works
	}{
		"a variable":                 {jwt.Source{From: jwt.FromVariable, Variable: "GOOD"}, ""},
		"a variable that is not set": {jwt.Source{From: jwt.FromVariable, Variable: "NONE"}, "NONE is not set"},
		"a variable without a JWT":   {jwt.Source{From: jwt.FromVariable, Variable: "BAD"}, "BAD holds no JWT; nothing was sent"},
		"a variable with two":        {jwt.Source{From: jwt.FromVariable, Variable: "TWO"}, "TWO contains the character U+000A"},
		"a file":                     {jwt.Source{From: jwt.FromFile, Path: write("good", good+"\r\n")}, ""},
		"a file without a JWT":       {jwt.Source{From: jwt.FromFile, Path: write("bad", "planted-token")}, "holds no JWT; nothing was sent"},
		"a file that is too long":    {jwt.Source{From: jwt.FromFile, Path: write("long", strings.Repeat("a", 1<<17))}, "cannot be read"},
		"a file that does not exist": {jwt.Source{From: jwt.FromFile, Path: filepath.Join(dir, "none")}, "cannot be read"},
		"a folder":                   {jwt.Source{From: jwt.FromFile, Path: dir}, "cannot be read"},
		"an address over http":       {jwt.Source{From: jwt.FromGitHub}, "this is not a GitHub Actions job"},
	} {
		t.Run(name, func(t *testing.T) {
			test.source.Getenv = func(name string) string { return env[name] }
			token, err := test.source.Get(t.Context())
			if test.text == "" {
				if err != nil || token != good {
					t.Fatalf("%q, %v", token, err)
				}
				return
			}
			if !fail.Is(err, fail.Usage) || !strings.Contains(err.Error(), test.text) || strings.Contains(err.Error(), "planted") || fail.Advice(err) == nil {
				t.Errorf("%v", err)
			}
		})
	}
}
