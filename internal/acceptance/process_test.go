package acceptance

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// arrives PATTERN: waits until a request matches that was made at the sandbox since the last `forget`.
func cmdArrives(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 || neg {
		ts.Fatalf("usage: arrives PATTERN")
	}
	pattern, err := regexp.Compile(args[0])
	ts.Check(err)
	s := of(ts).need(ts)
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if slices.ContainsFunc(s.Requests(), pattern.MatchString) {
			return
		}
	}
	ts.Fatalf("no request matches %s", args[0])
}

// down: the sandbox cannot be reached any more. up: it can again, at the same address.
func cmdDown(ts *testscript.TestScript, neg bool, args []string) { ts.Check(of(ts).need(ts).Stop()) }

func cmdUp(ts *testscript.TestScript, neg bool, args []string) { ts.Check(of(ts).need(ts).Resume()) }

// deep VARIABLE LENGTH: sets VARIABLE to a path of that length, of which all but the last part is made.
func cmdDeep(ts *testscript.TestScript, neg bool, args []string) {
	var length int
	if _, err := fmt.Sscan(args[1], &length); err != nil || len(args) != 2 {
		ts.Fatalf("usage: deep VARIABLE LENGTH")
	}
	path := ts.MkAbs("deep")
	for length-len(path) > 2*200 {
		path = filepath.Join(path, strings.Repeat("d", 199))
	}
	// Two parts that take up the rest between them.
	path = filepath.Join(path, strings.Repeat("d", (length-len(path)-2)/2))
	ts.Check(os.MkdirAll(path, 0o700))
	path = filepath.Join(path, strings.Repeat("d", length-len(path)-1))
	ts.Setenv(args[0], path)
}

// freeze FILE: stops the process whose id the file holds, until thaw FILE or the end of the script.
func cmdFreeze(ts *testscript.TestScript, neg bool, args []string) {
	pid := ts.ReadFile(args[0])
	ts.Check(kill("-STOP", pid))
	// A stopped process could not be ended, and the script would wait for it.
	ts.Defer(func() { _ = kill("-CONT", pid) })
}

func cmdThaw(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(kill("-CONT", ts.ReadFile(args[0])))
}

func kill(signal, pid string) error {
	return exec.CommandContext(context.Background(), "kill", signal, strings.TrimSpace(pid)).Run()
}

// silentbus VARIABLE: sets VARIABLE to the address of a message bus that takes calls and never answers.
func cmdSilentBus(ts *testscript.TestScript, neg bool, args []string) {
	path := ts.MkAbs("bus")
	l, err := new(net.ListenConfig).Listen(context.Background(), "unix", path)
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() })
	ts.Setenv(args[0], "unix:path="+path)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(io.Discard, conn) }()
		}
	}()
}

// interrupt SIGNAL TRIGGER COMMAND ARG...: a program that runs a command, sends it the signal (INT,
// TERM or HUP) when the trigger is seen, and ends with its exit code. TRIGGER is PROVIDER:OPERATION, for a request
// at the sandbox, or stderr:TEXT.
func interrupt() {
	code, err := interrupted(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "interrupt:", err)
		os.Exit(99)
	}
	os.Exit(code)
}

func interrupted(args []string) (int, error) {
	signals := map[string]os.Signal{"INT": os.Interrupt, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "QUIT": syscall.SIGQUIT}
	if len(args) < 3 || signals[args[0]] == nil {
		return 0, errors.New("usage: interrupt INT|TERM|HUP|QUIT TRIGGER COMMAND ARG...")
	}
	// Below nohup a signal is ignored, and the command would inherit that; what is caught, it does not.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, signals[args[0]])
	defer signal.Stop(caught)
	what, detail, _ := strings.Cut(args[1], ":")
	before, err := requestsAt(what, detail)
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(context.Background(), args[2], args[3:]...)
	cmd.Stdin, cmd.Stdout = os.Stdin, os.Stdout
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	seen := make(chan struct{})
	var once sync.Once
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			fmt.Fprintln(os.Stderr, lines.Text())
			if what == "stderr" && strings.Contains(lines.Text(), detail) {
				once.Do(func() { close(seen) })
			}
		}
	}()
	if what != "stderr" {
		go func() {
			for {
				if n, err := requestsAt(what, detail); err == nil && n > before {
					once.Do(func() { close(seen) })
					return
				}
				time.Sleep(5 * time.Millisecond)
			}
		}()
	}
	select {
	case <-seen:
		if err := cmd.Process.Signal(signals[args[0]]); err != nil {
			return 0, err
		}
	case <-ended:
		return 0, errors.New("the command ended before the trigger was seen")
	}
	<-ended
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return 0, err
	}
	return cmd.ProcessState.ExitCode(), nil
}

// requestsAt asks the sandbox how many requests of a kind it has met.
func requestsAt(provider, operation string) (int, error) {
	if provider == "stderr" {
		return 0, nil
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, os.Getenv("SANDBOX")+"/_sandbox/stats", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var answer struct {
		Providers map[string]struct{ Requests map[string]int }
	}
	err = json.NewDecoder(resp.Body).Decode(&answer)
	return answer.Providers[provider].Requests[operation], err
}

// curlAtSandbox plays the part of curl for the command lines of the documentation: what they send to a
// provider goes to the sandbox. It knows the options that stand there, and fails as `curl --fail` does.
func curlAtSandbox() {
	if err := curl(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "curl:", err)
		os.Exit(22)
	}
}

func curl(args []string) error {
	method, body, address := "", "", ""
	var headers, query []string
	for len(args) > 0 {
		option := args[0]
		args = args[1:]
		if option == "-s" || option == "-f" || option == "-sf" {
			continue
		}
		if !strings.HasPrefix(option, "-") {
			address = option
			continue
		}
		if len(args) == 0 {
			return fmt.Errorf("%s wants a value", option)
		}
		value := args[0]
		args = args[1:]
		switch option {
		case "-H":
			headers = append(headers, value)
		case "-X":
			method = value
		case "-d":
			body = value
		case "-K":
			text, err := os.ReadFile(value)
			if err != nil {
				return err
			}
			for line := range strings.Lines(string(text)) {
				name, value, _ := strings.Cut(strings.TrimSpace(line), " = ")
				value = strings.ReplaceAll(strings.Trim(value, `"`), `\"`, `"`)
				switch name {
				case "header":
					headers = append(headers, value)
				case "url-query":
					name, value, _ := strings.Cut(value, "=")
					query = append(query, name+"="+url.QueryEscape(value))
				default:
					return fmt.Errorf("the config has %q", name)
				}
			}
		default:
			return fmt.Errorf("unknown option %s", option)
		}
	}
	for host, variable := range map[string]string{
		"https://api.mollie.com": "MOLLIE", "https://api.moloni.pt": "MOLONI", "https://api.molonion.pt": "MOLONI_ON",
		"https://moneybird.com": "MONEYBIRD", "https://public-api.monta.com": "MONTA",
	} {
		if rest, ok := strings.CutPrefix(address, host); ok {
			address = os.Getenv("TOKENCLI_"+variable+"_BASE_URL") + rest
		}
	}
	if len(query) > 0 {
		address += "?" + strings.Join(query, "&")
	}
	if method == "" {
		if method = http.MethodGet; body != "" {
			method = http.MethodPost
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return err
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(os.Stdout, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode > 399 {
		return fmt.Errorf("%s was answered with %d", address, resp.StatusCode)
	}
	return nil
}
