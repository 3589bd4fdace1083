package session

import (
	"context"
	"errors"
	"testing"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/store"
)

// doomed is a store of a process that is killed before its operations have used up the budget, or right after.
type doomed struct {
	store.Store
	left  *int
	after bool // the last operation is done, and its result never seen
}

var errKilled = errors.New("killed")

func (d doomed) alive(do func() error) error {
	*d.left--
	if *d.left > 0 || *d.left == 0 && d.after {
		err := do()
		if *d.left > 0 {
			return err
		}
	}
	return errKilled
}

func (d doomed) Get(ctx context.Context, name account.Name) (c *credential.Credential, err error) {
	err = d.alive(func() (err error) { c, err = d.Store.Get(ctx, name); return err })
	return c, err
}

func (d doomed) Swap(ctx context.Context, old, next *credential.Credential) error {
	return d.alive(func() error { return d.Store.Swap(ctx, old, next) })
}

// Wherever a move is cut off, the next one finishes it, and the login is spent in one place.
func TestMoveIsFinishedAfterAKill(t *testing.T) {
	cut := 0
	for budget := 1; budget < 12; budget++ {
		for _, after := range []bool{false, true} {
			tm := newTeam(t)
			tm.login(moloniOn)
			from, to := tm.session(), tm.machine("here")
			left := budget
			from.Store, to.Store = doomed{from.Store, &left, after}, doomed{to.Store, &left, after}
			err := from.Move(t.Context(), to, moloniOn)
			if err != nil {
				cut++
			}
			// A new process. The old place must not spend what may have arrived in the new one.
			if c, err := tm.machine("here").Store.Get(t.Context(), moloniOn); err == nil && c.RefreshToken != "" {
				if _, err := tm.session().Refresh(t.Context(), moloniOn); !fail.Is(err, fail.LoginNeeded) {
					t.Errorf("cut off after %d: the old place refreshes: %v", budget, err)
				}
			}
			if err := tm.session().Move(t.Context(), tm.machine("here"), moloniOn); err != nil && left <= 0 && !fail.Is(err, fail.Usage) {
				t.Errorf("cut off after %d (%v): the next move: %v", budget, after, err)
			}
			if kept := tm.kept(moloniOn); kept.MovedTo != "vault" || kept.RefreshToken != "" || kept.AccessToken != "" || kept.ClientSecret != "" {
				t.Errorf("cut off after %d: the old place holds %+v", budget, kept.MovedTo)
			}
			if _, err := tm.machine("other").Refresh(t.Context(), moloniOn); err != nil {
				t.Errorf("cut off after %d: the login is lost: %v", budget, err)
			}
			tm.asked(moloniOn, 1)
		}
	}
	if cut < 8 {
		t.Errorf("only %d moves were cut off", cut)
	}
}

// A refresh on another machine between the arrival and the pointer counts as the login that was moved.
func TestMoveIsFinishedAfterARefreshThere(t *testing.T) {
	tm := newTeam(t)
	c := tm.login(moloniOn)
	marked := *c
	marked.MovedTo = "vault"
	tm.put(&marked)
	if err := tm.machine("here").Store.Swap(t.Context(), nil, c); err != nil {
		t.Fatal(err)
	}
	if _, err := tm.machine("other").Refresh(t.Context(), moloniOn); err != nil {
		t.Fatal(err)
	}
	if err := tm.session().Move(t.Context(), tm.machine("here"), moloniOn); err != nil {
		t.Error(err)
	}
	if kept := tm.kept(moloniOn); kept.RefreshToken != "" {
		t.Error("two living copies")
	}
	if _, err := tm.machine("here").Refresh(t.Context(), moloniOn); err != nil {
		t.Error(err)
	}
	tm.asked(moloniOn, 2)
}
