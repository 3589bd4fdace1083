package callback

import (
	"crypto/subtle"
	"net/url"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
)

// verdict is what a reply turned out to be: a code, the end of the login, or nothing to go by.
type verdict struct {
	answer *Answer
	err    error
	words  string // the provider's own, for the page
	flaw   flaw
}

// maxCode bounds a code. Real ones have less than 2,000 characters.
const maxCode = 8 << 10

// judge applies the rules for authorization responses, the same for a request of the browser and for a
// pasted address. stateless says that the reply comes from a page which never carries a state.
func (r *Receiver) judge(query string, stateless bool) verdict {
	params, err := url.ParseQuery(query)
	if err != nil {
		return verdict{flaw: broken}
	}
	// RFC 6749 3.1: parameters must not be included more than once. One that reads the first and one
	// that reads the last would disagree about what was checked.
	for _, name := range []string{"code", "state", "error", "error_description", "iss"} {
		if len(params[name]) > 1 {
			return verdict{flaw: repeated}
		}
	}
	// RFC 6749 3.1: a parameter without a value is treated as if it were omitted.
	code, state, refusal, iss := params.Get("code"), params.Get("state"), params.Get("error"), params.Get("iss")
	if code == "" && refusal == "" && state == "" {
		return verdict{flaw: nothing}
	}
	if state == "" && !r.opts.StateOptional && !stateless {
		return verdict{flaw: noState}
	}
	if state != "" && subtle.ConstantTimeCompare([]byte(state), []byte(r.opts.State)) != 1 {
		return verdict{flaw: wrongState}
	}
	// RFC 9207 2.4: compared as it is, in error responses too. With a right state it is no stray
	// request but a mix-up, and the code must not reach the wrong server.
	if !stateless {
		if err := r.checkIssuer(iss); err != nil {
			return verdict{err: err}
		}
	}
	if refusal != "" {
		return r.refused(refusal, params.Get("error_description"))
	}
	if code == "" {
		return verdict{flaw: noCode}
	}
	if !isCode(code) {
		return verdict{flaw: oddCode}
	}
	return verdict{answer: &Answer{
		Code:         code,
		StateMissing: state == "" && !stateless,
		Params:       params,
		Finish:       r.finish,
	}}
}

func (r *Receiver) checkIssuer(iss string) error {
	var text string
	switch {
	case iss == "" && r.opts.IssuerRequired:
		text = r.prefix() + "the answer does not say which issuer it is from"
	case iss != "" && iss != r.opts.Issuer && (r.opts.Issuer != "" || r.opts.IssuerRequired):
		text = r.prefix() + "the answer is from another issuer: " + redact.Scrub(iss, 120, r.opts.State)
	default:
		return nil
	}
	return fail.New(fail.Refused, "%s", text).
		WithHint("the code was not used; if `%s` gives the same again, check the issuer %s in the definition", r.command(), redact.Scrub(r.opts.Issuer, 120))
}

// refused is the provider's no (RFC 6749 4.1.2.1). Its words are anything a server can send.
func (r *Receiver) refused(code, description string) verdict {
	words := redact.Scrub(code, 80, r.opts.State)
	if d := redact.Scrub(description, 300, r.opts.State); d != "" {
		words += ": " + d
	}
	err := fail.New(fail.Refused, "%s%s refused the login: %s", r.prefix(), r.title(), words)
	switch code {
	case "access_denied":
		err = err.WithHint("run `%s` again and allow the access", r.command())
	case "invalid_scope":
		err = err.WithHint("ask for what the client may have, with --scope")
	case "server_error", "temporarily_unavailable":
		err = err.WithHint("run `%s` again in a while", r.command())
	default:
		err = err.WithHint("check the client id and that %s is registered for it at %s", r.shownURI(), r.title())
	}
	return verdict{err: err, words: words}
}

// isCode reports whether code is made of the characters a code may have (RFC 6749 A.11).
func isCode(code string) bool {
	if code == "" || len(code) > maxCode {
		return false
	}
	for i := range len(code) {
		if code[i] < 0x20 || code[i] > 0x7e {
			return false
		}
	}
	return true
}

// flaw is why a reply was not used. The wait goes on.
type flaw int

const (
	blank        flaw = iota // an empty line
	nothing                  // no parameter that matters
	broken                   // not readable as parameters
	repeated                 // a parameter more than once
	noState                  // no state where one must be
	wrongState               // the state of another login
	noCode                   // the right state and no code
	oddCode                  // characters that no code has
	tooLong                  // a line over the bound
	control                  // control characters in a line
	elsewhere                // the address of another place
	authorizing              // the address to open, pasted back
	unclear                  // neither an address nor a code
	needsAddress             // a bare code where the issuer has to be checked
)

// pasted returns what is said about a pasted line.
func (f flaw) pasted(uri string) string {
	const again = "; still waiting, paste it again"
	switch f {
	case nothing, noCode:
		return "that address holds no code" + again
	case broken:
		return "that address is damaged" + again
	case repeated:
		return "that address holds a parameter twice" + again
	case noState:
		return "that address holds no state, so it may be of another login; still waiting, paste the whole address"
	case wrongState:
		return "that address belongs to another login (its state is not the one that was sent); still waiting, paste the one of this login"
	case oddCode, control:
		return "that holds characters that no address and no code has" + again
	case tooLong:
		return "that line is too long" + again
	case elsewhere:
		return "that is the address of another place; still waiting for one that begins with " + uri
	case authorizing:
		return "that is the address to open in the browser; still waiting for the one you land on after you agreed there"
	case needsAddress:
		return "a code alone does not say which issuer it is from; still waiting, paste the whole address"
	default:
		return "that is neither an address nor a code" + again
	}
}
