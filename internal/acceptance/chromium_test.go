//go:build unix

package acceptance

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/sandbox"
)

var screenshots = flag.String("screenshots", "", "an existing folder for pictures of every page that TestChromium sees")

// TestChromium logs in with a real browser and looks at every page the way its readers do: at the width of
// a phone and of a desk, in light and in dark.
func TestChromium(t *testing.T) {
	needs(t, "chromium", "chromedriver")
	s := newStage(t)
	c := startChromium(t)
	for _, test := range []struct {
		name     string
		account  string
		redirect string // scheme and host; the port is picked
		fault    *sandbox.Fault
		press    string // the button on the consent page
		exit     int
		shows    []string // on the last page
		status   int
	}{
		{
			name: "allowed", account: "moloni-on/loja", redirect: "http://127.0.0.1", press: "allow", status: 200,
			shows: []string{"tokencli", "You are logged in", "Moloni ON", "moloni-on/loja", "return to the terminal", "tokencli token moloni-on/loja"},
		},
		{
			name: "allowed-tls", account: "mollie/shop-b", redirect: "https://localhost", press: "allow", status: 200,
			shows: []string{"You are logged in", "Mollie", "mollie/shop-b", "return to the terminal", "tokencli token mollie/shop-b"},
		},
		{
			name: "denied", account: "moneybird", redirect: "http://localhost", press: "deny", exit: 5, status: 200,
			shows: []string{"Access was refused", "the user denied access", "Moneybird", "return to the terminal"},
		},
		{
			name: "failed", account: "moneybird/office", redirect: "http://127.0.0.1", press: "allow", exit: 5, status: 200,
			fault: &sandbox.Fault{Provider: "moneybird", On: "token", Kind: "error", Description: "no such client " + strings.Repeat("x", 90)},
			shows: []string{"Login failed", "no such client xxx", "Moneybird", "moneybird/office", "return to the terminal"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			c.t = t
			if test.fault != nil {
				if err := s.Inject(*test.fault); err != nil {
					t.Fatal(err)
				}
			}
			redirect := test.redirect + ":" + freePort(t) + "/callback"
			l := s.startLogin(t, test.account, redirect)
			c.allowed = []string{s.URL, strings.TrimSuffix(redirect, "/callback")}

			c.open(l.address)
			c.read("consent-"+test.name, http.StatusOK, "Allow access?", redirect)
			c.press(test.press)
			c.awaitPage(redirect)
			c.read(test.name, test.status, test.shows...)
			l.wait(t, test.exit)
		})
	}
	t.Run("stranger", func(t *testing.T) {
		c.t = t
		redirect := "http://127.0.0.1:" + freePort(t) + "/callback"
		l := s.startLogin(t, "moloni-on", redirect)
		c.allowed = []string{s.URL, strings.TrimSuffix(redirect, "/callback")}

		c.open(redirect)
		c.read("empty", http.StatusBadRequest, "No response yet", "The terminal is still waiting")
		c.open(redirect + "?code=of-a-stranger&state=of-another-login")
		c.read("stranger", http.StatusBadRequest, "This response is not for this login", "The terminal is still waiting")

		c.open(l.address)
		c.press("allow")
		c.awaitPage(redirect)
		c.read("allowed-after-stranger", http.StatusOK, "You are logged in")
		l.wait(t, 0)
	})
	t.Run("code-shown", func(t *testing.T) {
		c.t = t
		l := s.startLogin(t, "moneybird/typed", "urn:ietf:wg:oauth:2.0:oob")
		c.allowed = []string{s.URL}
		c.open(l.address)
		c.press("allow")
		c.awaitPage(s.URL + "/moneybird/_consent")
		c.read("code-shown", http.StatusOK, "Your code")
		var code string
		c.run(`return document.getElementById("code").textContent`, &code)
		if _, err := io.WriteString(l.stdin, code+"\n"); err != nil {
			t.Fatal(err)
		}
		l.wait(t, 0)
	})
	// A page that does everything wrong, so that the judge is known to see it.
	bad := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, badPage)
	}))
	defer bad.Close()
	t.Run("judge", func(t *testing.T) {
		c.t = t
		c.allowed = []string{bad.URL}
		c.open(bad.URL + "/callback?code=1")
		_, problems := c.judge("bad", http.StatusTeapot)
		for _, want := range []string{
			"the page loads http://outside.example.test/", "a request goes elsewhere: http://outside.example.test/",
			"the page has status 200, not 418", "still shows " + bad.URL + "/callback?code=1", "in the console: ",
			"its language", "no title", "not one h1", "not one main", "scrolls sideways", "loads something",
			"too small to hit: x", "too small (9px): tiny", "cut off: wide", "outside of main: tiny", "too faint (1.82): faint",
			"does not follow the colours",
		} {
			if !slices.ContainsFunc(problems, func(problem string) bool { return strings.Contains(problem, want) }) {
				t.Errorf("not seen: %s, among\n%s", want, strings.Join(problems, "\n"))
			}
		}
	})
	c.t = t
	c.quit()
	if got := c.icons(); !slices.Equal(got, []string{bad.URL + "/favicon.ico"}) {
		t.Errorf("the browser asks for %q, and should for that of the bad page alone", got)
	}
}

const badPage = `<!doctype html><body><p style="font-size: 9px">tiny<p style="color: #c0c0c0">faint
<p style="margin-left: 1290px">wide <script>console.error("said")</script><button style="width: 9px">x</button>
<img src="http://outside.example.test/x.png" alt="">`

// webLogin is a tokencli login that waits for the browser.
type webLogin struct {
	cmd     *exec.Cmd
	address string
	stdin   io.WriteCloser
	said    chan string
}

func (s *stage) startLogin(t *testing.T, name, redirect string) *webLogin {
	t.Helper()
	provider, _, _ := strings.Cut(name, "/")
	id, secret := s.Client(provider)
	l := &webLogin{
		cmd: exec.CommandContext(t.Context(), "tokencli", "login", name, "--no-browser", "--timeout", "60s",
			"--client-id", id, "--redirect-uri", redirect),
		said: make(chan string, 1),
	}
	l.cmd.Env = append(s.environ(), account.Name{Provider: provider}.Var(account.ClientSecret)+"="+secret)
	stderr, err := l.cmd.StderrPipe()
	if err == nil {
		l.stdin, err = l.cmd.StdinPipe()
	}
	if err == nil {
		err = l.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	address := make(chan string, 1)
	go func() {
		var said strings.Builder
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			fmt.Fprintln(&said, lines.Text())
			if strings.HasPrefix(lines.Text(), "http") {
				address <- lines.Text()
			}
		}
		close(address)
		l.said <- said.String()
	}()
	if l.address = <-address; l.address == "" {
		t.Fatalf("no address was printed:\n%s", <-l.said)
	}
	return l
}

func (l *webLogin) wait(t *testing.T, exit int) {
	t.Helper()
	said := <-l.said
	err := l.cmd.Wait()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	if got := l.cmd.ProcessState.ExitCode(); got != exit {
		t.Errorf("tokencli ended with %d instead of %d:\n%s", got, exit, said)
	}
}

// chromium is a browser, driven over WebDriver (https://www.w3.org/TR/webdriver2/).
type chromium struct {
	t       *testing.T
	ctx     context.Context
	session string
	netlog  string   // where it writes down all that goes over the network, once it has ended
	allowed []string // where pages may send requests to
}

// startChromium starts a browser that knows no name but localhost and has nothing of its own to ask for.
func startChromium(t *testing.T) *chromium {
	t.Helper()
	// Not with the context of the test, which ends before its cleanup.
	ctx := context.WithoutCancel(t.Context())
	driver := exec.CommandContext(ctx, "chromedriver", "--port=0")
	driver.Env = append(os.Environ(), "HOME="+t.TempDir())
	stdout, err := driver.StdoutPipe()
	if err == nil {
		err = driver.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = driver.Process.Kill()
		_ = driver.Wait()
	})
	started := regexp.MustCompile(`started successfully on port (\d+)`)
	c := &chromium{t: t, ctx: ctx, netlog: filepath.Join(t.TempDir(), "netlog.json")}
	lines := bufio.NewScanner(stdout)
	for c.session == "" && lines.Scan() {
		if match := started.FindStringSubmatch(lines.Text()); match != nil {
			c.session = "http://127.0.0.1:" + match[1] + "/session"
		}
	}
	if c.session == "" {
		t.Fatal("chromedriver does not start")
	}
	go func() { _, _ = io.Copy(io.Discard, stdout) }()

	var made struct {
		SessionID string `json:"sessionId"`
	}
	c.call(http.MethodPost, "", map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{
		"browserName":         "chrome",
		"acceptInsecureCerts": true, // the certificate is self-signed
		"goog:loggingPrefs":   map[string]string{"browser": "ALL", "performance": "ALL"},
		"goog:chromeOptions": map[string]any{"args": []string{
			"--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
			"--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
			"--hide-scrollbars", "--force-color-profile=srgb", "--user-data-dir=" + t.TempDir(), "--log-net-log=" + c.netlog,
			"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
		}},
	}}}, &made)
	c.session += "/" + made.SessionID
	t.Cleanup(c.quit)
	// The browser's own first page is none of ours.
	c.open("about:blank")
	c.log("performance")
	c.log("browser")
	return c
}

// quit ends the browser.
func (c *chromium) quit() {
	if c.session != "" {
		c.call(http.MethodDelete, "", nil, nil)
		c.session = ""
	}
}

// call sends one command to the driver.
func (c *chromium) call(method, path string, in, out any) {
	c.t.Helper()
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			c.t.Fatal(err)
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(c.ctx, method, c.session+path, body)
	if err != nil {
		c.t.Fatal(err)
	}
	client := http.Client{Timeout: time.Minute}
	resp, err := client.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Value json.RawMessage `json:"value"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		c.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		c.t.Fatalf("%s %s: %s", method, path, answer.Value)
	}
	if out != nil {
		if err := json.Unmarshal(answer.Value, out); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *chromium) open(address string) {
	c.t.Helper()
	c.call(http.MethodPost, "/url", map[string]string{"url": address}, nil)
}

func (c *chromium) run(script string, out any) {
	c.t.Helper()
	c.call(http.MethodPost, "/execute/sync", map[string]any{"script": script, "args": []any{}}, out)
}

func (c *chromium) press(decision string) {
	c.t.Helper()
	var element map[string]string
	c.call(http.MethodPost, "/element", map[string]string{"using": "css selector", "value": `button[value="` + decision + `"]`}, &element)
	for _, id := range element {
		c.call(http.MethodPost, "/element/"+id+"/click", map[string]any{}, nil)
	}
}

// address is what the address bar shows.
func (c *chromium) address() string {
	c.t.Helper()
	var address string
	c.call(http.MethodGet, "/url", nil, &address)
	return address
}

// awaitPage waits until the browser shows exactly this address.
func (c *chromium) awaitPage(address string) {
	c.t.Helper()
	for give := time.Now().Add(time.Minute); c.address() != address; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(give) {
			c.t.Fatalf("the browser is at %s, not at %s", c.address(), address)
		}
	}
}

// read looks at the page and at what the browser did to get it.
func (c *chromium) read(name string, status int, shows ...string) {
	c.t.Helper()
	text, problems := c.judge(name, status)
	for _, problem := range problems {
		c.t.Error(problem)
	}
	for _, show := range shows {
		if !strings.Contains(text, show) {
			c.t.Errorf("%s: %q is not on the page:\n%s", name, show, text)
		}
	}
}

// judge returns what stands on the page, and all that is wrong with it.
func (c *chromium) judge(name string, status int) (text string, problems []string) {
	c.t.Helper()
	problems = c.judgeTraffic(status)
	if u, err := url.Parse(c.address()); err != nil || (strings.HasSuffix(u.Path, "/callback") && (u.RawQuery != "" || u.Fragment != "")) {
		problems = append(problems, "the address bar still shows "+c.address())
	}
	for _, size := range []struct {
		name          string
		width, height int
	}{{"phone", 320, 640}, {"desktop", 1280, 800}} {
		for _, scheme := range []string{"light", "dark"} {
			c.devtools("Emulation.setDeviceMetricsOverride", map[string]any{
				"width": size.width, "height": size.height, "deviceScaleFactor": 1, "mobile": false,
			})
			c.devtools("Emulation.setEmulatedMedia", map[string]any{
				"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}},
			})
			var seen struct {
				Text     string   `json:"text"`
				Dark     bool     `json:"dark"`
				Problems []string `json:"problems"`
			}
			c.run(judgePage, &seen)
			text = seen.Text
			if seen.Dark != (scheme == "dark") {
				seen.Problems = append(seen.Problems, "it does not follow the colours that are wanted")
			}
			where := name + "-" + size.name + "-" + scheme
			for _, problem := range seen.Problems {
				problems = append(problems, where+": "+problem)
			}
			c.picture(where)
		}
	}
	// What the browser says about a page may come after it.
	return text, append(problems, c.judgeConsole(status)...)
}

func (c *chromium) devtools(command string, params map[string]any) {
	c.t.Helper()
	c.call(http.MethodPost, "/goog/cdp/execute", map[string]any{"cmd": command, "params": params}, nil)
}

func (c *chromium) picture(name string) {
	c.t.Helper()
	if *screenshots == "" {
		return
	}
	var text string
	c.call(http.MethodGet, "/screenshot", nil, &text)
	png, err := base64.StdEncoding.DecodeString(text)
	if err == nil {
		err = os.WriteFile(filepath.Join(*screenshots, name+".png"), png, 0o644)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

type logEntry struct {
	Level   string `json:"level"`
	Source  string `json:"source"`
	Message string `json:"message"`
}

func (c *chromium) log(kind string) []logEntry {
	c.t.Helper()
	var entries []logEntry
	c.call(http.MethodPost, "/se/log", map[string]string{"type": kind}, &entries)
	return entries
}

// judgeConsole returns what the page brought into the console. About a status that is no success the
// browser itself says a word there.
func (c *chromium) judgeConsole(status int) []string {
	c.t.Helper()
	var problems []string
	for _, entry := range c.log("browser") {
		if status != http.StatusOK && entry.Source == "network" && strings.Contains(entry.Message, fmt.Sprintf("a status of %d ", status)) {
			continue
		}
		problems = append(problems, "in the console: "+entry.Message)
	}
	return problems
}

// judgeTraffic reads what was asked for on the way to the page: pages, and nothing else.
func (c *chromium) judgeTraffic(status int) []string {
	c.t.Helper()
	var problems []string
	last := 0
	for _, entry := range c.log("performance") {
		var event struct {
			Message struct {
				Method string `json:"method"`
				Params struct {
					Type    string `json:"type"`
					Request struct {
						URL string `json:"url"`
					} `json:"request"`
					Response struct {
						Status int `json:"status"`
					} `json:"response"`
				} `json:"params"`
			} `json:"message"`
		}
		if err := json.Unmarshal([]byte(entry.Message), &event); err != nil {
			c.t.Fatal(err)
		}
		params := event.Message.Params
		switch address := params.Request.URL; event.Message.Method {
		case "Network.requestWillBeSent":
			if params.Type != "Document" && !strings.HasPrefix(address, "data:") {
				problems = append(problems, "the page loads "+address)
			}
			if !slices.ContainsFunc(c.allowed, func(origin string) bool { return strings.HasPrefix(address, origin+"/") }) &&
				!strings.HasPrefix(address, "data:") {
				problems = append(problems, "a request goes elsewhere: "+address)
			}
		case "Network.responseReceived":
			if params.Type == "Document" {
				last = params.Response.Status
			}
		}
	}
	if last != status {
		problems = append(problems, fmt.Sprintf("the page has status %d, not %d", last, status))
	}
	return problems
}

// icons returns the pages' icons that the browser asked for by itself, which no log of a page tells.
func (c *chromium) icons() []string {
	c.t.Helper()
	text, err := os.ReadFile(c.netlog)
	if err != nil {
		c.t.Fatal(err)
	}
	return slices.Compact(slices.Sorted(slices.Values(regexp.MustCompile(`https?://[^" ]*/favicon\.ico`).FindAllString(string(text), -1))))
}

// judgePage returns what is wrong with the page for somebody who reads it: what WCAG 2.2 asks for and a
// machine can tell.
const judgePage = `
const problems = [];
const root = document.documentElement;
if (root.lang !== "en") problems.push("its language is not said");
if (!document.title) problems.push("it has no title");
for (const one of ["h1", "main"])
  if (document.querySelectorAll(one).length !== 1) problems.push("it has not one " + one);
if (root.scrollWidth > innerWidth) problems.push("it scrolls sideways: " + root.scrollWidth + " of " + innerWidth);
if (performance.getEntriesByType("resource").length) problems.push("it loads something");
for (const e of document.querySelectorAll("button")) {
  const box = e.getBoundingClientRect();
  if (box.height < 44 || box.width < 44) problems.push("too small to hit: " + e.textContent);
}

const channels = color => color.match(/[\d.]+/g).map(Number);
const luminance = color => channels(color).slice(0, 3)
  .map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const ground = element => {
  for (let e = element; e; e = e.parentElement) {
    const color = getComputedStyle(e).backgroundColor, alpha = channels(color)[3];
    if (alpha === undefined || alpha === 1) return color;
  }
  return "rgb(255, 255, 255)";
};
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (texts.nextNode()) {
  const text = texts.currentNode.textContent.trim(), parent = texts.currentNode.parentElement;
  const style = getComputedStyle(parent), range = document.createRange();
  range.selectNodeContents(texts.currentNode);
  if (!text || !range.getClientRects().length) continue;
  const box = range.getBoundingClientRect();
  if (parseFloat(style.fontSize) < 16) problems.push("too small (" + style.fontSize + "): " + text);
  if (box.left < 0 || box.right > innerWidth) problems.push("cut off: " + text);
  if (!parent.closest("main")) problems.push("outside of main: " + text);
  const [dim, bright] = [luminance(style.color), luminance(ground(parent))].sort((a, b) => a - b);
  const contrast = (bright + 0.05) / (dim + 0.05);
  if (contrast < 4.5) problems.push("too faint (" + contrast.toFixed(2) + "): " + text);
}
return {text: document.body.innerText, dark: luminance(ground(document.body)) < 0.2, problems};
`
