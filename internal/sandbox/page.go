package sandbox

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html"
	"net/http"
	"strings"
)

// consentPath is where the page's form goes, within the provider.
const consentPath = "/_consent"

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

// pages writes what the user sees in the browser. The style is that of the callback's page; a test keeps
// the two the same.
type pages struct {
	css    string
	policy string // the Content-Security-Policy
}

func newPages() *pages {
	// Browsers hash what they parsed, and parsing turns a Windows line ending into a plain one.
	css := strings.ReplaceAll(pageCSS, "\r\n", "\n")
	sum := sha256.Sum256([]byte(css))
	return &pages{
		css: css,
		// Chromium applies form-action to the redirects that follow the form as well, and a source cannot
		// name [::1]; so it allows the schemes of redirect URIs rather than one host.
		policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; img-src data:; form-action 'self' http: https:; frame-ancestors 'none'; base-uri 'none'",
	}
}

// escape makes a text safe in the content of an element and in a quoted attribute. (html/template would add
// 2.4 MiB: what it calls by name keeps the linker from leaving anything out.)
func escape(text string) string { return html.EscapeString(text) }

// page writes a page around a body whose texts are already escaped.
func (p *pages) page(c *request, status int, title, body string) *reply {
	text := strings.NewReplacer(
		"{{title}}", escape(title),
		"{{provider}}", escape(c.st.title),
		"{{css}}", p.css,
		"{{body}}", body,
	).Replace(pageHTML)
	o := &reply{status: status, body: []byte(text)}
	return o.set("Content-Type", "text/html; charset=utf-8").
		set("Content-Security-Policy", p.policy).
		set("Cache-Control", "no-store").
		set("Referrer-Policy", "no-referrer").
		set("X-Content-Type-Options", "nosniff").
		set("X-Frame-Options", "DENY")
}

func (p *pages) ask(c *request, a *ask, id string) *reply {
	scopes := "<dd>everything you can do (this provider has no scopes)</dd>\n"
	if len(a.scopes) > 0 {
		scopes = ""
		for _, scope := range a.scopes {
			scopes += "<dd><code>" + escape(scope) + "</code></dd>\n"
		}
	}
	return p.page(c, http.StatusOK, "Allow access?", fmt.Sprintf(`<p>An application asks for access to your <strong>%s</strong> account.</p>
<dl>
<dt>Logged in as</dt><dd>Sandbox User</dd>
<dt>Application</dt><dd><code>%s</code></dd>
<dt>Access to</dt>
%s<dt>Returns to</dt><dd><code>%s</code></dd>
</dl>
<form method="post" action="%s">
<input type="hidden" name="request" value="%s">
<button name="decision" value="allow">Allow</button>
<button name="decision" value="deny" class="quiet">Deny</button>
</form>
`, escape(c.st.title), escape(c.st.clientID), scopes, escape(a.redirect), escape("/"+c.st.name+consentPath), escape(id)))
}

func (p *pages) code(c *request, code string) *reply {
	return p.page(c, http.StatusOK, "Your code", fmt.Sprintf(`<p>Copy this code and paste it into the application that asked for it.</p>
<pre><code id="code">%s</code></pre>
<p>Then you can close this page.</p>
`, escape(code)))
}

func (p *pages) device(c *request, userCode string) *reply {
	return p.page(c, http.StatusOK, "Allow access?", fmt.Sprintf(`<p>A device asks for access to your <strong>%s</strong> account. Allow it only if it shows this code.</p>
<form method="post" action="%s">
<p><label>Code <input name="user_code" value="%s" autocomplete="off" required></label></p>
<button name="decision" value="allow">Allow</button>
<button name="decision" value="deny" class="quiet">Deny</button>
</form>
`, escape(c.st.title), escape("/"+c.st.name+devicePath), escape(userCode)))
}

func (p *pages) deviceDone(c *request, allowed bool) *reply {
	title := "Access was denied"
	if allowed {
		title = "The device has access"
	}
	return p.page(c, http.StatusOK, title, "<p>You can close this page and return to the device.</p>\n")
}

func (p *pages) refused(c *request, pr *problem) *reply {
	return p.page(c, pr.statusOr(), "Access was not given", fmt.Sprintf(`<p role="alert">The request was refused: %s.</p>
<p>You can close this page.</p>
`, escape(pr.text)))
}
