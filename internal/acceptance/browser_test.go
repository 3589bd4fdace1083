package acceptance

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// fakeBrowser is the browser of the scripts: it opens the address, presses a button where there is one,
// and follows where that leads, as long as that is on this machine. It chatters on both outputs, as real
// ones do. The environment says what else it is like:
//
//	BROWSER_DOES    allow (the default); deny; nothing; wrongstate (comes with the state of another login
//	                first); nosy (asks for other things first, which must be refused); misdirected (comes to
//	                a path with a slash at its end first, twice); curse (comes with
//	                a refusal in hostile words); land (stops at the address where it would land)
//	BROWSER_LOG     a file that gets the page it ended on or, where it stops, the address
//	BROWSER_ENV     a file that gets its environment
//	BROWSER_VIA     the IP address under which it finds localhost
//	BROWSER_TRUSTS  the one certificate that it trusts; without it, it trusts them all
func fakeBrowser() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	fmt.Println("chatter of the browser")
	fmt.Fprintln(os.Stderr, "chatter of the browser")
	err := appear("BROWSER_ENV", []byte(strings.Join(os.Environ(), "\n")+"\n"))
	if err == nil {
		var saw []byte
		saw, err = browse(ctx, os.Args[len(os.Args)-1], os.Getenv("BROWSER_DOES"))
		if err != nil {
			saw = []byte("error: " + err.Error() + "\n")
		}
		err = errors.Join(err, appear("BROWSER_LOG", saw))
	}
	if err != nil {
		os.Exit(1)
	}
}

// appear makes the file that the variable names, whole at once: a script waits for it.
func appear(variable string, text []byte) error {
	path := os.Getenv(variable)
	if path == "" {
		return nil
	}
	temp := path + ".part"
	if err := os.WriteFile(temp, text, 0o600); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

// browse returns the page on which it ends or, where it stops on the way, the address.
func browse(ctx context.Context, address, does string) ([]byte, error) {
	if does == "nothing" {
		return []byte(address + "\n"), nil
	}
	client, err := newBrowserClient()
	if err != nil {
		return nil, err
	}
	next := address
	for range 10 {
		resp, err := get(ctx, client, next)
		if err != nil {
			return nil, err
		}
		if f := formOf(resp); f != nil {
			if resp, err = press(ctx, client, next, f, does); err != nil {
				return nil, err
			}
		}
		if resp.location == "" {
			return resp.body, nil
		}
		u, err := url.Parse(next)
		if err != nil {
			return nil, err
		}
		to, err := u.Parse(resp.location)
		if err != nil {
			return nil, err
		}
		host := to.Hostname()
		if does == "land" || does == "refuse" || host != "127.0.0.1" && host != "localhost" && host != "::1" {
			return []byte(to.String() + "\n"), nil
		}
		if err := misbehave(ctx, client, to, does); err != nil {
			return nil, err
		}
		if does == "curse" {
			to.RawQuery = url.Values{
				"error": {"access_denied"}, "error_description": {hostile}, "state": {to.Query().Get("state")},
			}.Encode()
		}
		if iss, is := map[string]string{"otheriss": "https://other.example.test", "noiss": ""}[does]; is && to.Query().Has("code") {
			to.RawQuery = withParam(to, "iss", iss)
		}
		next = to.String()
	}
	return nil, errors.New("too many redirects")
}

// hostile is a text that must reach neither a terminal nor a page as it is.
const hostile = "\x1b[31mred\x1b]0;title\x07 \u202eback\r\nhint: do this <script>alert(1)</script>"

// misbehave sends to the callback what it has to refuse.
func misbehave(ctx context.Context, client *http.Client, callback *url.URL, does string) error {
	wrong := *callback
	switch does {
	case "wrongstate":
		wrong.RawQuery = withParam(callback, "state", "of-somebody-else")
		return refused(ctx, client, http.MethodGet, &wrong, "")
	case "misdirected":
		wrong.Path += "/"
		return errors.Join(refused(ctx, client, http.MethodGet, &wrong, ""), refused(ctx, client, http.MethodGet, &wrong, ""))
	case "nosy":
		err := refused(ctx, client, http.MethodPost, callback, "")
		err = errors.Join(err, refused(ctx, client, http.MethodGet, callback, "evil.example.test"))
		wrong.Path = "/favicon.ico"
		err = errors.Join(err, refused(ctx, client, http.MethodGet, &wrong, ""))
		wrong = *callback
		wrong.RawQuery = ""
		return errors.Join(err, refused(ctx, client, http.MethodGet, &wrong, ""))
	}
	return nil
}

func refused(ctx context.Context, client *http.Client, method string, u *url.URL, host string) error {
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return err
	}
	req.Host = host
	page, err := do(client, req)
	if err == nil && (page.status < 400 || page.status > 499) {
		err = fmt.Errorf("%s %s, which is to be refused, was answered with %d", method, u.Path, page.status)
	}
	return err
}

// withParam returns the query of u with another value; an empty one takes the parameter away.
func withParam(u *url.URL, name, value string) string {
	query := u.Query()
	query.Set(name, value)
	if value == "" {
		query.Del(name)
	}
	return query.Encode()
}

func newBrowserClient() (*http.Client, error) {
	trust := &tls.Config{InsecureSkipVerify: true}
	if path := os.Getenv("BROWSER_TRUSTS"); path != "" {
		pem, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		trust = &tls.Config{RootCAs: x509.NewCertPool()}
		trust.RootCAs.AppendCertsFromPEM(pem)
	}
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(addr)
		if via := os.Getenv("BROWSER_VIA"); via != "" && err == nil && host == "localhost" {
			addr = net.JoinHostPort(via, port)
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	jar, err := cookiejar.New(nil)
	return &http.Client{
		Jar:           jar,
		Transport:     &http.Transport{TLSClientConfig: trust, DialContext: dial, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, err
}

type page struct {
	status   int
	location string
	body     []byte
}

func get(ctx context.Context, client *http.Client, address string) (*page, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	return do(client, req)
}

func do(client *http.Client, req *http.Request) (*page, error) {
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return &page{status: resp.StatusCode, location: resp.Header.Get("Location"), body: body}, err
}

var (
	formPattern  = regexp.MustCompile(`(?s)<form[^>]*action="([^"]*)".*?</form>`)
	inputPattern = regexp.MustCompile(`<input[^>]*name="([^"]*)"[^>]*value="([^"]*)"`)
	codePattern  = regexp.MustCompile(`<code id="code">([^<]*)</code>`)
)

type form struct {
	action string
	values url.Values
}

func formOf(p *page) *form {
	match := formPattern.FindSubmatch(p.body)
	if match == nil {
		return nil
	}
	f := &form{action: string(match[1]), values: url.Values{}}
	for _, input := range inputPattern.FindAllSubmatch(match[0], -1) {
		f.values.Set(string(input[1]), string(input[2]))
	}
	return f
}

func press(ctx context.Context, client *http.Client, at string, f *form, does string) (*page, error) {
	decision := "allow"
	if does == "deny" || does == "refuse" {
		decision = "deny"
	}
	f.values.Set("decision", decision)
	base, err := url.Parse(at)
	if err != nil {
		return nil, err
	}
	to, err := base.Parse(f.action)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), strings.NewReader(f.values.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return do(client, req)
}

// person runs a command whose standard input is a pipe, and does what a person would do with the address
// that it prints. The first argument lists what is pasted, one after the other:
//
//	land        the address on which the browser lands
//	broken      the same, broken into lines of 40 characters
//	html        the same with ampersands as in HTML
//	appended    the same with its parameters after a second question mark
//	refuse      the same after pressing Deny
//	wrongstate  the address on which it lands, with the state of another login
//	nostate     the same without a state
//	bare        the code in it alone
//	shown       the code that the page shows
//	text:TEXT   TEXT
//	eof         the end of the input
//	INT, TERM   that signal
//	nothing     nothing
//
// The end of the list does not end the input: a person stays at the keyboard.
func person() {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[2], os.Args[3:]...)
	stdin, err := cmd.StdinPipe()
	must(err)
	said, err := cmd.StderrPipe()
	must(err)
	cmd.Stdout = os.Stdout
	must(cmd.Start())
	lines := bufio.NewScanner(said)
	address := ""
	for lines.Scan() {
		fmt.Fprintln(os.Stderr, lines.Text())
		if address == "" && strings.HasPrefix(lines.Text(), "http") {
			address = lines.Text()
			go func() {
				for i, word := range strings.Fields(os.Args[1]) {
					if i > 0 {
						time.Sleep(300 * time.Millisecond) // what follows at once belongs to the same paste
					}
					must(act(ctx, word, address, cmd.Process, stdin))
				}
			}()
		}
	}
	must(lines.Err())
	var exit *exec.ExitError
	if err := cmd.Wait(); errors.As(err, &exit) {
		os.Exit(exit.ExitCode())
	} else {
		must(err)
	}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "person:", err)
		os.Exit(99)
	}
}

// act does one thing of the list.
func act(ctx context.Context, word, address string, process *os.Process, stdin io.WriteCloser) error {
	switch word {
	case "nothing":
		return nil
	case "eof":
		return stdin.Close()
	case "INT":
		return process.Signal(os.Interrupt)
	case "TERM":
		return process.Signal(syscall.SIGTERM)
	}
	text, literal := strings.CutPrefix(word, "text:")
	if !literal {
		var err error
		if text, err = toPaste(ctx, word, address); err != nil {
			return err
		}
	}
	_, err := io.WriteString(stdin, text+"\n")
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, os.ErrClosed) {
		return nil // the command has ended, as its exit code tells
	}
	return err
}

// toPaste returns what a person finds in the browser.
func toPaste(ctx context.Context, word, address string) (string, error) {
	does := "land"
	switch word {
	case "refuse":
		does = word
	case "shown":
		does = "allow"
	}
	saw, err := browse(ctx, address, does)
	if err != nil {
		return "", err
	}
	if word == "shown" {
		match := codePattern.FindSubmatch(saw)
		if match == nil {
			return "", errors.New("the page shows no code")
		}
		return string(match[1]), nil
	}
	u, err := url.Parse(strings.TrimSpace(string(saw)))
	if err != nil {
		return "", err
	}
	switch word {
	case "wrongstate":
		u.RawQuery = withParam(u, "state", "of-somebody-else")
	case "nostate":
		u.RawQuery = withParam(u, "state", "")
	case "bare":
		return u.Query().Get("code"), nil
	case "html":
		return strings.ReplaceAll(u.String(), "&", "&amp;"), nil
	case "appended":
		return strings.Replace(u.String(), "&", "?", 1), nil
	case "broken":
		return regexp.MustCompile(`.{40}`).ReplaceAllString(u.String(), "$0\n"), nil
	}
	return u.String(), nil
}
