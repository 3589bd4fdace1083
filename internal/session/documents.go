package session

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"path/filepath"
	"time"

	"github.com/tokencli/tokencli/internal/safefile"
)

// maxCached bounds a cached metadata document, in bytes.
const maxCached = 2 << 20

// document is metadata with its subject, the issuer or resource that it is about, and its validity.
type document[T any] struct {
	Subject  string    `json:"subject"`
	Expires  time.Time `json:"expires"`
	Metadata *T        `json:"metadata"`
}

// documents caches the metadata of one kind: for this process and, with a folder, in the state folder. Its methods
// are called with Session.discovering held.
type documents[T any] struct {
	known map[string]*document[T] // by subject
}

func cacheFile(dir, subject string) string {
	sum := sha256.Sum256([]byte(subject))
	return filepath.Join(dir, hex.EncodeToString(sum[:16])+".json")
}

// get returns nil for a file that is missing, damaged or about another subject. dir is empty without a folder.
func (c *documents[T]) get(dir, subject string, now time.Time) *document[T] {
	if d := c.known[subject]; d != nil && now.Before(d.Expires) {
		return d
	}
	if dir == "" {
		return nil
	}
	text, err := safefile.Read(cacheFile(dir, subject), maxCached, safefile.Private)
	if err != nil {
		return nil
	}
	d := new(document[T])
	if json.Unmarshal(text, d) != nil || d.Metadata == nil || d.Subject != subject {
		return nil
	}
	return d
}

// put does its best: without a file the next process requests the metadata again.
func (c *documents[T]) put(dir string, d document[T]) {
	if c.known == nil {
		c.known = map[string]*document[T]{}
	}
	c.known[d.Subject] = &d
	if dir == "" {
		return
	}
	if text, err := json.Marshal(d); err == nil && safefile.EnsureDir(dir) == nil {
		_ = safefile.WriteAtomic(cacheFile(dir, d.Subject), text)
	}
}
