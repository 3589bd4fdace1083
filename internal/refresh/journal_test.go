package refresh

import (
	"fmt"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/credential"
)

func TestJournalIsBounded(t *testing.T) {
	j := &tokenJournal{}
	first := &credential.Credential{RefreshToken: "first"}
	c := first
	for i := range maxEntries + 20 {
		next := &credential.Credential{RefreshToken: credential.Secret(fmt.Sprint("token ", i))}
		j = j.with(c, nil, time.Now()).with(c, next, time.Now())
		c = next
	}
	if len(j.Tokens) != maxEntries || j.find(fingerprint(first)) != nil {
		t.Errorf("%d entries", len(j.Tokens))
	}
	if last := j.Tokens[maxEntries-1]; last.By != fingerprint(c) {
		t.Error("the newest is missing")
	}
}
