package session

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/apiclient"
	"github.com/tokencli/tokencli/internal/fail"
)

func TestAPIRefreshesATokenThatIsNotAccepted(t *testing.T) {
	w := newWorld(t)
	w.login(moneybird)
	get := func(path string) (string, int, error) {
		var body string
		var status int
		err := call(t, w, moneybird, apiclient.Request{Path: path, Method: http.MethodGet}, func(a *apiclient.Answer) error {
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
	w.pass(2 * time.Minute) // at most one refresh a minute because of refusals
	_, _, err = get("administrations.json")
	mustFail(t, err, fail.LoginNeeded, "")
	// One that is ended says how to go on.
	_, _, err = get("administrations.json")
	mustFail(t, err, fail.LoginNeeded, "")
	if advice := fail.Advice(err); advice == nil || advice.Do != fail.DoLogIn && advice.Hint != "tokencli login moneybird" {
		t.Errorf("advice: %+v", advice)
	}
	err = call(t, w, monta, apiclient.Request{Path: "auth/me", Method: http.MethodGet}, func(*apiclient.Answer) error { return nil })
	mustFail(t, err, fail.NotLoggedIn, "")
}

func TestAPIAsksInGraphQL(t *testing.T) {
	w := newWorld(t)
	w.login(moloniOn)
	ask := func(r apiclient.Request) error {
		return call(t, w, moloniOn, r, func(a *apiclient.Answer) error {
			_, err := io.Copy(io.Discard, a.Body)
			return err
		})
	}
	if err := ask(apiclient.Request{Query: "query { me { data { userId } } }", Method: http.MethodPost}); err != nil && !fail.Is(err, fail.Refused) {
		t.Error(err)
	}
	mustFail(t, ask(apiclient.Request{Query: "query { me }", Paginate: true}), fail.Usage, "chooses its page")
	err := call(t, w, monta, apiclient.Request{Query: "query { me }"}, func(*apiclient.Answer) error { return nil })
	mustFail(t, err, fail.Usage, "takes no GraphQL")
	if n := w.server.Stats()["moloni-on"].Requests["api"]; n != 1 {
		t.Errorf("%d requests", n)
	}
}

func call(t *testing.T, w *world, name account.Name, r apiclient.Request, take func(*apiclient.Answer) error) error {
	t.Helper()
	c, err := w.session().API(t.Context(), name, 0)
	if err != nil {
		return err
	}
	return c.Do(t.Context(), r, take)
}
