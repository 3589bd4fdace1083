package session

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
)

func TestAPIRenewsATokenThatIsNotAccepted(t *testing.T) {
	w := newWorld(t)
	w.login(moneybird)
	get := func(path string) (string, int, error) {
		var body string
		var status int
		err := w.session().API(t.Context(), moneybird, Request{Path: path, Method: http.MethodGet}, func(a *Answer) error {
			text, err := io.ReadAll(a.Body)
			body, status = string(text), a.Status
			return err
		})
		return body, status, err
	}
	body, status, err := get("administrations.json")
	if err != nil || status != http.StatusOK || !strings.Contains(body, "name") {
		t.Fatalf("%d %s %v", status, body, err)
	}
	w.asked(moneybird, 0)
	w.expire(moneybird, "access")
	w.pass(time.Second)
	if _, status, err = get("administrations.json"); err != nil || status != http.StatusOK {
		t.Fatalf("%d %v", status, err)
	}
	w.asked(moneybird, 1)
	_, status, err = get("nowhere.json")
	mustFail(t, err, fail.Refused, "")
	if status != http.StatusNotFound {
		t.Errorf("status %d", status)
	}
	_, _, err = get("https://elsewhere.example.test/")
	mustFail(t, err, fail.Usage, "")
	w.expire(moneybird, "all")
	w.pass(time.Second)
	_, _, err = get("administrations.json")
	mustFail(t, err, fail.LoginNeeded, "")
	// One that is ended says how to go on.
	_, _, err = get("administrations.json")
	mustFail(t, err, fail.LoginNeeded, "")
	if !strings.Contains(fail.HintOf(err), "tokencli login moneybird") {
		t.Errorf("hint: %s", fail.HintOf(err))
	}
	err = w.session().API(t.Context(), monta, Request{Path: "auth/me", Method: http.MethodGet}, func(*Answer) error { return nil })
	mustFail(t, err, fail.NotLoggedIn, "")
}

func TestAPIAsksInGraphQL(t *testing.T) {
	w := newWorld(t)
	w.login(moloniOn)
	ask := func(r Request) error {
		return w.session().API(t.Context(), moloniOn, r, func(a *Answer) error {
			_, err := io.Copy(io.Discard, a.Body)
			return err
		})
	}
	if err := ask(Request{Query: "query { me { data { userId } } }", Method: http.MethodPost}); err != nil && !fail.Is(err, fail.Refused) {
		t.Error(err)
	}
	mustFail(t, ask(Request{Query: "query { me }", Paginate: true}), fail.Usage, "which page")
	err := w.session().API(t.Context(), monta, Request{Query: "query { me }"}, func(*Answer) error { return nil })
	mustFail(t, err, fail.Usage, "takes no GraphQL")
	if n := w.server.Stats()["moloni-on"].Requests["api"]; n != 1 {
		t.Errorf("%d requests", n)
	}
}
