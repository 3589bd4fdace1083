package session

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
)

func TestInspect(t *testing.T) {
	w := newWorld(t)
	o, err := w.session().Inspect(t.Context(), monta)
	if err != nil || o.Kept != nil || o.Grant != credential.ClientCredentials || !o.Secret || o.ClientID == "" || o.RedirectURI != "" {
		t.Errorf("%+v, %v", o, err)
	}
	w.login(moloniOn)
	w.setenv(moloniOn.Var(account.ClientID), "another")
	w.setenv(moloniOn.Var(account.ClientSecret), "")
	o, err = w.session().Inspect(t.Context(), moloniOn)
	if err != nil || o.Kept == nil || o.Blocked == nil || !strings.Contains(o.Blocked.Error(), moloniOn.Var(account.ClientID)) || !o.Secret || o.ClientID == "another" || o.RedirectURI == "" {
		t.Errorf("%+v, %v", o, err)
	}
	_, err = w.session().Inspect(t.Context(), account.Name{Provider: "nowhere"})
	mustFail(t, err, fail.Usage, "nowhere")
	s, f := w.withStore()
	f.get = func() error { return errFull }
	_, err = s.Inspect(t.Context(), moloniOn)
	mustFail(t, err, fail.Store, "")
	if err := w.session().Prove(t.Context(), moloniOn); err != nil {
		t.Error(err)
	}
	if reached, err := w.session().Reach(t.Context(), "moloni-on"); err != nil || reached == nil {
		t.Errorf("Reach = %v, %v", reached, err)
	}
	_, err = w.session().Reach(t.Context(), "nowhere")
	mustFail(t, err, fail.Usage, "nowhere")
}

func TestRescues(t *testing.T) {
	w := newCI(t, moloniOn)
	if list, err := w.session().Rescues(); err != nil || len(list) > 0 {
		t.Errorf("Rescues = %v, %v", list, err)
	}
	w.login(moneybird)
	w.rescued(moneybird)
	w.does("fail")
	if _, err := w.token(); !fail.Is(err, fail.Store) {
		t.Fatal(err)
	}
	// A crash leaves the space behind that was kept for a rescue file.
	if err := os.WriteFile(filepath.Join(w.dir, "rescue", "file-acct-moneybird.space"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := w.session().Rescues()
	if err != nil || len(list) != 2 ||
		list[0].Store != "env" || list[0].Account != moloniOn || list[1].Store != "file" || list[1].Account != moneybird {
		t.Errorf("Rescues = %v, %v", list, err)
	}
	s := w.session()
	s.StateDir = ""
	if list, err := s.Rescues(); err != nil || list != nil {
		t.Errorf("Rescues = %v, %v", list, err)
	}
}
