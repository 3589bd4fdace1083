// Command testlog reads what `go test -json` prints and tells the part that a person wants to see: the
// line of each package, and everything that a failing test said. It fails where a test failed, where
// none ran, and where one was skipped that the list of allowed skips does not name: a skip that nobody
// reads is a promise that nobody keeps.
//
//	go test -json ./... | testlog -allow FILE -need PATTERN
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
)

// event is one line of `go doc test2json`.
type event struct {
	Action     string
	Package    string
	ImportPath string // instead of Package in the output of a build that failed
	Test       string
	Output     string
}

func main() {
	allow := flag.String("allow", "", "file of allowed skips: one PACKAGE.TEST or PACKAGE.TEST/SUBTEST a line")
	need := flag.String("need", "", "regular expression that at least one test that passed has to match")
	flag.Parse()
	if err := run(os.Stdin, os.Stdout, *allow, *need); err != nil {
		fmt.Fprintln(os.Stderr, "testlog:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer, allowFile, need string) error {
	allowed, err := readList(allowFile)
	if err != nil {
		return err
	}
	needed, err := regexp.Compile(need)
	if err != nil {
		return err
	}

	said := map[string][]string{} // by package and test
	var passed, failed, met int
	var skipped, refused []string

	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			break
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		var e event
		if json.Unmarshal(line, &e) != nil {
			fmt.Fprintf(out, "%s", line) // not ours to judge: the go command speaks
			continue
		}
		name := e.Package + "." + e.Test
		switch {
		case e.Action == "build-output":
			fmt.Fprint(out, e.Output)
		case e.Action == "build-fail":
			failed++
		case e.Action == "output" && e.Test == "":
			// `ok  	tokencli/cmd	1.2s` as it stands: without -json it would be all one sees.
			if strings.HasPrefix(e.Output, "ok ") || strings.HasPrefix(e.Output, "FAIL\t") {
				fmt.Fprint(out, e.Output)
			} else {
				said[name] = append(said[name], e.Output)
			}
		case e.Action == "output":
			said[name] = append(said[name], e.Output)
		case e.Action == "fail":
			failed++
			fmt.Fprint(out, strings.Join(said[name], ""))
			delete(said, name)
		case e.Action == "pass" && e.Test != "":
			passed++
			if needed.MatchString(e.Test) {
				met++
			}
			delete(said, name)
		case e.Action == "skip" && e.Test != "":
			skipped = append(skipped, name)
			if !allowed[name] {
				refused = append(refused, name)
				fmt.Fprint(out, strings.Join(said[name], ""))
			}
			delete(said, name)
		}
	}

	fmt.Fprintf(out, "tests: %d passed, %d failed, %d skipped\n", passed, failed, len(skipped))
	for _, name := range skipped {
		fmt.Fprintln(out, "skipped:", name)
	}
	switch {
	case failed > 0:
		return fmt.Errorf("%d tests or packages failed", failed)
	case passed == 0:
		return errors.New("no test ran")
	case len(refused) > 0:
		return fmt.Errorf("%d tests were skipped that may not be: %s", len(refused), strings.Join(refused, ", "))
	case need != "" && met == 0:
		return fmt.Errorf("no test that matches %q ran", need)
	}
	return nil
}

// readList reads one name a line; # begins a comment. No file means an empty list.
func readList(file string) (map[string]bool, error) {
	list := map[string]bool{}
	if file == "" {
		return list, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		name, _, _ := strings.Cut(line, "#")
		if name = strings.TrimSpace(name); name != "" {
			list[name] = true
		}
	}
	return list, nil
}
