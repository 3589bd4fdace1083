package refresh

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/oauth"
	"github.com/tokencli/tokencli/internal/redact"
)

// hooked is an attempt in a read-only store whose new refresh token goes to OnRotate. The mark is an entry in
// a journal. Nothing is sent before the command, the lock, the journal and the place of the rescue file are
// known to be usable.
type hooked struct {
	*flight
	release func()
	space   *space
	journal *tokenJournal          // as it was read under the lock
	sent    *credential.Credential // whose refresh token is marked as sent
}

func (h *hooked) begin(ctx context.Context) (*credential.Credential, error) {
	name := h.seen.Account
	if _, err := exec.LookPath(h.OnRotate[0]); err != nil {
		return nil, fail.New(fail.Usage, "on_rotate: %s cannot be run: %v; nothing was sent", program(h.OnRotate), LookupError(err)).
			Advise(fail.DoNameProgram)
	}
	release, err := h.lock(ctx, name, always)
	if err != nil {
		return nil, err
	}
	h.release = release
	if h.journal, err = h.readJournal(name); err != nil {
		return nil, err
	}
	if err := h.deliverRescued(ctx); err != nil {
		return nil, err
	}
	return h.seen, nil
}

func (h *hooked) mark(_ context.Context, c *credential.Credential) (err error) {
	switch known := h.journal.find(fingerprint(c)); {
	case known == nil:
	case known.By != "":
		return fail.New(fail.LoginNeeded, "%s: the refresh token in %s was replaced on %s, and the new one was passed to on_rotate; nothing was sent",
			c.Account, c.Account.Var(account.RefreshToken), minute(known.At)).Advise(fail.DoUseRotated)
	default:
		h.tellCutOff(c.Account, known.At)
	}
	if h.space, err = h.reserveSpace(c); err != nil {
		return err
	}
	h.sent = c
	return h.writeJournal(c.Account, h.journal.with(c, nil, h.Now()))
}

// commit passes a new refresh token to OnRotate. What it does not accept goes to a rescue file.
func (h *hooked) commit(ctx context.Context, next *credential.Credential) (*credential.Credential, error) {
	if next.RefreshToken == h.sent.RefreshToken {
		h.record(h.journal)
		return next, nil
	}
	h.record(h.journal.with(h.sent, next, h.Now()))
	path := h.rescueFile(next.Account.File() + "+" + fingerprint(h.sent)[:16])
	saved := *next
	saved.ClientSecret, saved.ClientKey = "", "" // they are in the environment, and the user needs only the tokens
	rescued := false
	rescue := func() error {
		h.space.free()
		err := h.writeRescue(path, &saved)
		rescued = rescued || err == nil
		return err
	}
	// SIGINT is often followed by SIGKILL, so the rescue file is written first.
	err := h.runHook(ctx, next, func() { _ = rescue() })
	if err == nil {
		if rescued {
			h.drop(path)
		}
		return next, nil
	}
	failure := fail.New(fail.Store, "%s was refreshed, but on_rotate (%s) %w", next.Account, program(h.OnRotate), err)
	if !rescued {
		if rescueErr := rescue(); rescueErr != nil {
			failure.Text += fmt.Sprintf("; nor could a rescue file be written: %v", rescueErr)
			return nil, &UnsavedError{next, failure.Advise(fail.DoLogInAfterwards, next.Account)}
		}
	}
	return nil, &UnsavedError{next, h.adviseDelivery(failure, path)}
}

func (h *hooked) abort(context.Context) { h.record(h.journal) }

func (h *hooked) reread(context.Context) (*credential.Credential, error) { return h.sent, nil }

func (h *hooked) ended(_ context.Context, refusal *oauth.Error) error {
	token := fingerprint(h.sent)
	text := refusal.Error()
	if known := h.journal.find(token); known != nil {
		text = seemsSpent(refusal, known.At)
	}
	h.record(h.journal.without(token))
	return replaceInEnvironment(h.sent.Account, refusal, text)
}

// replaceInEnvironment is the failure of a refresh token in the environment that was refused for good.
func replaceInEnvironment(name account.Name, refusal *oauth.Error, text string) error {
	return fail.New(fail.LoginNeeded, "%s: %s", name, text).Advise(fail.DoSetRefreshToken, name.Var(account.RefreshToken)).Because(refusal)
}

func (h *hooked) kept() string { return "the new refresh token was passed to on_rotate first" }

func (h *hooked) end() {
	h.space.free()
	if h.release != nil {
		h.release()
	}
}

// record writes what is known after a request. A failure changes nothing of what the request did.
func (h *hooked) record(j *tokenJournal) {
	if err := h.writeJournal(h.seen.Account, j); err != nil {
		h.tell("warning: %v", err)
	}
}

func (h *hooked) adviseDelivery(e *fail.Error, path string) *fail.Error {
	return e.Advise(fail.DoDeliverRescue, path, h.seen.Account.Var(account.RefreshToken))
}

// deliverRescued looks for a rescue file of the refresh token in the environment, or of one that followed
// from it, and passes it to OnRotate. The credential in it is then the one to refresh. An UnsavedError carries
// it if OnRotate does not accept it again.
func (h *hooked) deliverRescued(ctx context.Context) error {
	path := h.findRescue()
	if path == "" {
		return nil
	}
	c := h.seen
	rescued, err := h.readRescue(path, c.Account)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if rescued.Origin != c.Origin {
		return originDiffers(rescued, "point to "+c.Origin)
	}
	rescued.ClientID, rescued.ClientSecret, rescued.ClientKey, rescued.RedirectURI = c.ClientID, c.ClientSecret, c.ClientKey, c.RedirectURI
	if err := h.runHook(ctx, rescued, func() {}); err != nil {
		failure := h.adviseDelivery(fail.New(fail.Store, "on_rotate (%s) %w; the login in %s is still waiting for it", program(h.OnRotate), err, path), path)
		return &UnsavedError{rescued, failure}
	}
	h.tell("passed the login of %s in %s to on_rotate", c.Account, path)
	h.drop(path)
	h.seen = rescued
	return nil
}

// findRescue returns the rescue file of the newest token that followed from the one in the environment.
func (h *hooked) findRescue() (path string) {
	name := h.seen.Account
	file := func(token string) string { return h.rescueFile(name.File() + "+" + token[:16]) }
	if parent := h.journal.parent(fingerprint(h.seen)); parent != nil && exists(file(parent.Token)) {
		h.tell("deleting %s: its refresh token has arrived in %s", file(parent.Token), name.Var(account.RefreshToken))
		h.drop(file(parent.Token))
	}
	for token, n := fingerprint(h.seen), 0; token != "" && n <= maxEntries; n++ {
		if p := file(token); exists(p) {
			path = p
		}
		next := h.journal.find(token)
		token = ""
		if next != nil {
			token = next.By
		}
	}
	return path
}

// program is the command's name as it may be printed; its arguments may hold secrets.
func program(argv []string) string { return redact.Scrub(filepath.Base(argv[0]), 80) }
