package sandbox_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/tokencli/tokencli/internal/sandbox"
)

func TestWhoAmI(t *testing.T) {
	for name, want := range map[string]string{
		"moloni-on": `^{"data":{"me":{"data":{"name":"Sandbox User"}}}}$`,
		"moloni":    `"email":"user@sandbox.example.test".*"user_id":4711`,
		"mollie":    `"id":"org_5a4db0c0".*"name":"Sandbox Shop".*"resource":"organization"`,
		"moneybird": `^\[{.*"id":"107693607045039116".*\]$`,
		"monta":     `^{"id":1,"userId":1,"name":"Sandbox Application","clientId":"` + montaID + `","clientSecret":null,"scopes":\["all"\],"createdAt":"2023-05-04T14:29:06Z","updatedAt":`,
	} {
		b, p := start(t, sandbox.Config{}), play(t, name)
		a := b.send(p.whoami(b.login(p).str(p.access)))
		if a.status != 200 || !regexp.MustCompile(want).MatchString(a.body) {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	b, p := start(t, sandbox.Config{}), play(t, "moloni")
	token := vals("access_token", b.login(p).str("access_token"), "human_errors", "true")
	b.want(b.send(call{method: "POST", path: "/moloni/v1/users/getMe/", query: token, form: vals("x", "y")}), 200, "4711")
	b.want(b.send(call{path: "/moloni/v1/companies/getAll/", query: token}), 200, `"company_id":5`)
}

// TestMoloniData: data goes in the body of a POST, as a form, or as JSON with json=true in the query.
func TestMoloniData(t *testing.T) {
	b, p := start(t, sandbox.Config{}), play(t, "moloni")
	token := vals("access_token", b.login(p).str("access_token"))
	path := "/moloni/v1/companies/getAll/"
	b.want(b.send(call{method: "POST", path: path, query: token, form: vals("qty", "1")}), 200)
	b.want(b.send(call{method: "POST", path: path, query: with(token, "json", "true"), json: vals("qty", "1")}), 200)
	b.want(b.send(call{method: "POST", path: path, query: with(token, "json", "true"), raw: `{"qty":1}`, media: "application/x-www-form-urlencoded"}), 200)
	for _, tt := range []struct {
		word string
		c    call
	}{
		{"the query takes only", call{path: path, query: with(token, "qty", "1")}},
		{"the query takes only", call{method: "POST", path: path, query: with(token, "qty", "1")}},
		{"only with json=true", call{method: "POST", path: path, query: token, json: vals("qty", "1")}},
		{"the body is JSON", call{method: "POST", path: path, query: token, raw: `{"qty":1}`, media: "application/x-www-form-urlencoded"}},
		{"the body is not JSON", call{method: "POST", path: path, query: with(token, "json", "true"), form: vals("qty", "1")}},
		{"in the body of a POST", call{path: path, query: token, form: vals("qty", "1")}},
	} {
		b.want(b.send(tt.c), 400, tt.word)
	}
}

func TestMolliePages(t *testing.T) {
	b := start(t, sandbox.Config{})
	pair, err := b.s.Mint("mollie", "payments.read", "")
	if err != nil {
		t.Fatal(err)
	}
	path, seen, pages := "/mollie/v2/payments?testmode=true", 0, 0
	for path != "" {
		a := b.send(call{path: path, bearer: pair.AccessToken})
		b.want(a, 200)
		list, _ := a.json["_embedded"].(map[string]any)["payments"].([]any)
		seen, pages = seen+len(list), pages+1
		links := a.json["_links"].(map[string]any)
		if (links["previous"] == nil) != (pages == 1) {
			t.Errorf("page %d: previous %v", pages, links["previous"])
		}
		path = ""
		if next, ok := links["next"].(map[string]any); ok {
			path = strings.TrimPrefix(next["href"].(string), b.url)
			if !strings.Contains(path, "testmode=true") {
				t.Errorf("next %s forgot the mode", path)
			}
		}
	}
	if seen != 120 || pages != 3 {
		t.Errorf("%d payments on %d pages", seen, pages)
	}
	b.want(b.send(call{path: "/mollie/v2/payments?from=tr_sandbox003&limit=2", bearer: pair.AccessToken}), 200, "tr_sandbox003", "tr_sandbox004", "from=tr_sandbox005", "from=tr_sandbox001")
}

func TestMoneybirdPages(t *testing.T) {
	b := start(t, sandbox.Config{})
	pair, err := b.s.Mint("moneybird", "", "")
	if err != nil {
		t.Fatal(err)
	}
	path, pages, body := "/moneybird/api/v2/107693607045039116/contacts.json?per_page=45", 0, ""
	for path != "" {
		a := b.send(call{path: path, bearer: pair.AccessToken})
		b.want(a, 200)
		pages, body = pages+1, body+a.body
		path = ""
		if m := regexp.MustCompile(`<([^>]*)>; rel="next"`).FindStringSubmatch(a.header.Get("Link")); m != nil {
			path = strings.TrimPrefix(m[1], b.url)
		}
		if (pages > 1) != strings.Contains(a.header.Get("Link"), `rel="prev"`) {
			t.Errorf("page %d: Link %s", pages, a.header.Get("Link"))
		}
	}
	if n := strings.Count(body, "company_name"); n != 120 || pages != 3 {
		t.Errorf("%d contacts on %d pages", n, pages)
	}
	a := b.send(call{path: "/moneybird/api/v2/107693607045039116/contacts.json?page=9&per_page=100", bearer: pair.AccessToken})
	if a.body != "[]" {
		t.Errorf("past the end: %s", a.body)
	}
	if l := b.send(call{path: "/moneybird/api/v2/107693607045039116/contacts.json?per_page=100&page=2", bearer: pair.AccessToken}).header.Get("Link"); strings.Contains(l, "next") {
		t.Errorf("last page: Link %s", l)
	}
}

func TestMontaPages(t *testing.T) {
	b, p := start(t, sandbox.Config{}), play(t, "monta")
	token := b.login(p).str("accessToken")
	b.want(b.send(call{path: "/monta/api/v1/charge-points", bearer: token}), 200, `"itemCount":10`, `"currentPage":0`, `"totalPageCount":4`)
	b.want(b.send(call{path: "/monta/api/v1/charge-points?page=3&perPage=10", bearer: token}), 200, `"itemCount":5`, "Point 35")
	b.want(b.send(call{path: "/monta/api/v1/charge-points?page=4&perPage=10", bearer: token}), 200, `"data":[]`)
}

// TestDownload: the file is on another host, and a token that comes along is noticed.
func TestDownload(t *testing.T) {
	b := start(t, sandbox.Config{})
	pair, err := b.s.Mint("moneybird", "", "")
	if err != nil {
		t.Fatal(err)
	}
	path := "/moneybird/api/v2/107693607045039116/sales_invoices/7/download.pdf"
	a := b.send(call{path: path, bearer: pair.AccessToken})
	u, err := url.Parse(a.header.Get("Location"))
	if err != nil || a.status != 302 || u.Hostname() != "localhost" || strings.Contains(u.String(), pair.AccessToken) {
		t.Fatalf("%d %s", a.status, u)
	}
	file := b.send(call{path: u.Path})
	if file.status != 200 || file.header.Get("Content-Type") != "application/pdf" || !strings.HasPrefix(file.body, "%PDF-1.4\n") || !strings.HasSuffix(file.body, "%%EOF\n") {
		t.Errorf("%d %s", file.status, file.body)
	}
	xref := regexp.MustCompile(`startxref\n(\d+)\n`).FindStringSubmatchIndex(file.body)
	if xref == nil || !strings.HasPrefix(file.body[strings.Index(file.body, "xref\n"):], "xref\n0 6\n") {
		t.Error("the PDF has no table of its objects")
	}
	if s := b.s.Stats()["moneybird"]; s.Downloads != 1 || s.DownloadsWithAuthorization != 0 {
		t.Errorf("stats %+v", s)
	}
	if e := b.last(); e.Path != "/_files/…" || e.Operation != "file" {
		t.Errorf("event %+v", e)
	}
	b.want(b.send(call{path: u.Path, bearer: "x"}), 200)
	if s := b.s.Stats()["moneybird"]; s.DownloadsWithAuthorization != 1 || !strings.Contains(b.last().Reason, "no business") {
		t.Errorf("stats %+v", s)
	}
	b.want(b.send(call{method: "POST", path: u.Path}), 404)
	b.clock.move(10 * 60 * 1e9)
	b.want(b.send(call{path: u.Path}), 404)
	b.send(call{path: path, bearer: pair.AccessToken})
	b.want(b.send(call{path: u.Path}), 404)
}

func TestDownloadHost(t *testing.T) {
	for _, tt := range []struct{ host, want string }{
		{"localhost:80", "http://127.0.0.1:80/_files/"},
		{"127.0.0.1", "http://localhost/_files/"},
		{"[::1]:80", "http://localhost:80/_files/"},
		{"sandbox:80", "http://sandbox:80/_files/"},
	} {
		b := start(t, sandbox.Config{})
		pair, err := b.s.Mint("moneybird", "", "")
		if err != nil {
			t.Fatal(err)
		}
		got := b.sendTo(tt.host, "/moneybird/api/v2/107693607045039116/sales_invoices/7/download.pdf", pair.AccessToken)
		if !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: %s", tt.host, got)
		}
	}
}

func TestGraphQL(t *testing.T) {
	b, p := start(t, sandbox.Config{}), play(t, "moloni-on")
	token := b.login(p).str("accessToken")
	for _, tt := range []struct{ query, want string }{
		{
			"{ me { data { userId userCompanies { company { companyId name } } } errors { field msg } } }",
			`{"data":{"me":{"data":{"userCompanies":[{"company":{"companyId":5,"name":"Sandbox Company"}}],"userId":4711},"errors":[]}}}`,
		},
		{"query Who($a: Int = 1) { I: me(x: \"a } \\\" )\", y: [1, {z: (2)}]) { # hush }\n data { mail: email } } }", `{"data":{"I":{"data":{"mail":"user@sandbox.example.test"}}}}`},
		{"query{me{data{name,}}}", `{"data":{"me":{"data":{"name":"Sandbox User"}}}}`},
		{"", "not a selection"},
		{"mutation { me { data { name } } }", "not a selection"},
		{"{ }", "empty selection"},
		{"{ me { data { name } }", "something other than a field name"},
		{"{ me { data { ...F } } }", "something other than a field name"},
		{"{ me { data { name } } } extra", "continues after its end"},
		{"{ a: { b } }", "alias without a field"},
		{"{ me(x: 1 { data } }", "parenthesis"},
		{"query ($a { me }", "parenthesis"},
		{"{ me }", "me needs a selection"},
		{"{ me { data { userCompanies } } }", "userCompanies needs a selection"},
		{"{ me { data { name { x } } } }", "name has no fields"},
		{"{ me { data { userCompanies { x } } } }", "no field x"},
		{"{ you }", "no field you"},
		{"{ me { data { \"name } } }", "something other"},
		{strings.Repeat("{ me ", 100), "too deeply"},
	} {
		a := b.send(call{method: "POST", path: "/moloni-on/v1", bearer: token, json: map[string]any{"query": tt.query, "variables": map[string]any{"a": 1}}})
		if a.status != 200 || !strings.Contains(a.body, tt.want) {
			t.Errorf("%s: %d %s", tt.query, a.status, a.body)
		}
		if bad := strings.Contains(a.body, "GRAPHQL_VALIDATION_FAILED"); bad == strings.HasPrefix(tt.want, "{") {
			t.Errorf("%s: %s", tt.query, a.body)
		}
	}
}
