package jwt

import (
	"context"
	"io"
	"net/http"
	"os"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
)

// The places that a Source can get a JWT from.
const (
	FromGitHub   = "github_actions"
	FromVariable = "env"
	FromFile     = "file"
)

// maxToken bounds a JWT, in bytes. Those of CI systems take one to four thousand.
const maxToken = 64 << 10

// Source is where a JWT comes from that somebody else issued.
type Source struct {
	From     string // see the constants
	Audience string // of the JWT; only with FromGitHub
	Path     string // only with FromFile
	Variable string // only with FromVariable
	Getenv   func(string) string
	HTTP     *http.Client // only with FromGitHub
}

// Get returns a JWT. What is missing, and a text that is not a JWT, is a fail.Usage that does not quote the text;
// GitHub out of reach is a fail.Unavailable.
func (s *Source) Get(ctx context.Context) (string, error) {
	if err := s.Available(); err != nil {
		return "", err
	}
	source, text := s.Variable, ""
	switch s.From {
	case FromGitHub:
		return s.github(ctx)
	case FromFile:
		var err error
		if source, text, err = readFile(s.Path); err != nil {
			return "", err
		}
	default:
		text = s.Getenv(s.Variable)
	}
	token, err := account.Clean(source, text)
	if err != nil {
		return "", err
	}
	if err := Check(token); err != nil {
		return "", fail.New(fail.Usage, "%s holds no JWT; nothing was sent", source).Advise(fail.DoCopyAgain, source)
	}
	return token, nil
}

// Available returns the fail.Usage of a source that has nothing to give. It contacts nobody.
func (s *Source) Available() error {
	switch s.From {
	case FromGitHub:
		if s.idTokenRequest() == nil {
			return fail.New(fail.Usage, "this is not a GitHub Actions job with the permission id-token: write").Advise(fail.DoAllowIDToken)
		}
	case FromFile:
		if _, err := os.Stat(s.Path); err != nil {
			return unreadable(s.Path)
		}
	default:
		if s.Getenv(s.Variable) == "" {
			return fail.New(fail.Usage, "%s is not set", s.Variable).Advise(fail.DoSetVariable, s.Variable)
		}
	}
	return nil
}

// readFile reads a file with a JWT, and returns its path as it can be shown as well. Who else may read it does not
// matter: Kubernetes and CI systems write files that everyone in the container can read.
func readFile(path string) (shown, text string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", "", unreadable(path)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxToken+1))
	if err != nil || len(content) > maxToken {
		return "", "", unreadable(path)
	}
	return redact.Printable(path), string(content), nil
}

func unreadable(path string) error {
	shown := redact.Printable(path)
	return fail.New(fail.Usage, "%s cannot be read", shown).Advise(fail.DoCheckReadable, shown)
}
