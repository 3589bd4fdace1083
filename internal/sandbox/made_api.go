package sandbox

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

func matchesWhole(pattern, value string) bool {
	return pattern == "" || regexp.MustCompile(`^(?:`+pattern+`)$`).MatchString(value)
}

// variableName writes a name as it is in the name of an environment variable.
func variableName(name string) string {
	return strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(name))
}

func (p probe) method() string { return cmp.Or(p.Method, http.MethodGet) }

func (m *made) access(c *request) *problem {
	value, p := m.presented(c)
	if p != nil {
		return p
	}
	_, p = c.st.usable(c.now, value)
	return p
}

// probe tells whose token it is, in the fields that the definition shows.
func (m *made) probe(c *request, p probe) *reply {
	if pr := m.access(c); pr != nil {
		return c.refuse(pr)
	}
	if m.d.API.GraphQL && !sameJSON(p.JSON, c.body) {
		return m.api(c)
	}
	if pr := m.asProbe(c, p); pr != nil {
		return c.refuse(pr)
	}
	body := map[string]any{}
	for _, field := range p.Show {
		place(body, field.Path, "Sandbox "+strings.ReplaceAll(field.Path, ".", " "))
	}
	return jsonReply(http.StatusOK, body).why("told whose token it is")
}

// asProbe checks what the probe sends besides the token.
func (m *made) asProbe(c *request, p probe) *problem {
	if p.JSON != "" && !sameJSON(p.JSON, c.body) {
		return bad(badRequest, "the body is not the one of the probe")
	}
	_, want := splitAddress(p.URL)
	query, err := url.ParseQuery(c.rawQuery)
	if err != nil {
		return bad(badRequest, "the query is not form-urlencoded")
	}
	for name, values := range want {
		if !slices.Equal(query[name], values) {
			return bad(badRequest, "parameter %s is not that of the probe", clean(name))
		}
	}
	return nil
}

func sameJSON(want string, body []byte) bool {
	var a, b any
	return json.Unmarshal([]byte(want), &a) == nil && json.Unmarshal(body, &b) == nil && reflect.DeepEqual(a, b)
}

// api answers every other request to the API: the definition says nothing about them.
func (m *made) api(c *request) *reply {
	if p := m.access(c); p != nil {
		return c.refuse(p)
	}
	body := map[string]any{"sandbox": m.d.Name, "path": c.path}
	if m.d.API.GraphQL {
		query, err := readGraphQL(c.body)
		if err != nil {
			return c.refuse(bad(badRequest, "%s", err))
		}
		body = map[string]any{"data": map[string]any{"sandbox": query}}
	}
	return jsonReply(http.StatusOK, body).why("answered without knowing the API")
}
