package callback

import (
	"crypto/subtle"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
)

// result is what a response turned out to be: a code, the end of the login, or not usable.
type result struct {
	answer    *Answer
	err       error
	words     string // the provider's own, for the page
	rejection rejection
}

func (r result) decided() bool { return r.answer != nil || r.err != nil }

// maxCode bounds a code. Real ones have less than 2,000 characters.
const maxCode = 8 << 10

// validateResponse applies the rules for authorization responses, the same for a request of the browser
// and for a pasted address. stateless says that the response comes from a page that never has a state.
func (r *Receiver) validateResponse(query string, stateless bool) result {
	params, err := parseQuery(query)
	if err != nil {
		return result{rejection: broken}
	}
	// RFC 6749 3.1: parameters must not be included more than once. A reader of the first and a reader of
	// the last would disagree about what was checked.
	for _, name := range []string{"code", "state", "error", "error_description", "iss"} {
		if list := slices.Compact(params[name]); len(list) > 1 {
			return result{rejection: repeated}
		} else if len(list) == 1 {
			params[name] = list // the same value twice is no contradiction
		}
	}
	// RFC 6749 3.1: a parameter without a value is treated as if it were omitted.
	code, state, refusal, iss := params.Get("code"), params.Get("state"), params.Get("error"), params.Get("iss")
	if code == "" && refusal == "" && state == "" {
		return result{rejection: nothing}
	}
	if state == "" && !r.opts.StateOptional && !stateless {
		return result{rejection: noState}
	}
	if state != "" && subtle.ConstantTimeCompare([]byte(state), []byte(r.opts.State)) != 1 {
		return result{rejection: wrongState}
	}
	// RFC 9207 2.4: compared as it is, in error responses too. With the right state it is not a stray
	// request but a mix-up, and the code must not reach the wrong server.
	if !stateless {
		if err := r.checkIssuer(iss); err != nil {
			return result{err: err}
		}
	}
	if refusal != "" {
		return r.refused(refusal, params.Get("error_description"))
	}
	if code == "" {
		return result{rejection: noCode}
	}
	if !isCode(code) {
		return result{rejection: oddCode}
	}
	answer := r.answer(code, params)
	answer.StateMissing = state == "" && !stateless
	return result{answer: answer}
}

// parseQuery reads the parameters of a response, as browsers do: a semicolon is part of a value. Some providers append a
// second query to a redirect URI that has one (?shop=1?code=X), escape ampersands as in HTML, or do not encode a plus
// sign in the code, which never has a space that would be encoded so. Only what decides about the response has to be
// encoded correctly.
func parseQuery(query string) (url.Values, error) {
	query = strings.ReplaceAll(query, "&amp;", "&")
	for _, name := range []string{"code", "error", "state"} {
		if !hasParameter(query, name) {
			query = strings.Replace(query, "?"+name+"=", "&"+name+"=", 1)
		}
	}
	params := url.Values{}
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if name == "code" {
			value = strings.ReplaceAll(value, "+", "%2B")
			if strings.ContainsAny(value, "<>\"") { // which browsers encode: the marks of quoted mail and the like
				return nil, errors.New("the code is damaged")
			}
		}
		name, nameErr := url.QueryUnescape(name)
		decoded, err := url.QueryUnescape(value)
		switch {
		case nameErr != nil || pair == "":
			continue
		case err != nil && slices.Contains([]string{"code", "state", "error", "iss"}, name):
			return nil, err
		case err != nil:
			decoded = value
		}
		params[name] = append(params[name], decoded)
	}
	return params, nil
}

func hasParameter(query, name string) bool { return strings.Contains("&"+query, "&"+name+"=") }

func (r *Receiver) checkIssuer(iss string) error {
	var text string
	switch {
	case iss == "" && r.opts.IssuerRequired:
		text = r.prefix() + "the response does not say which issuer it is from"
	case iss != "" && iss != r.opts.Issuer && (r.opts.Issuer != "" || r.opts.IssuerRequired):
		text = r.prefix() + "the response is from another issuer: " + redact.Scrub(iss, 120, r.opts.State)
	default:
		return nil
	}
	return fail.New(fail.Refused, "%s", text).Advise(fail.DoCheckIssuer, r.account(), redact.Scrub(r.opts.Issuer, 120))
}

// refused is the provider's refusal (RFC 6749 4.1.2.1). Its words are anything a server can send.
func (r *Receiver) refused(code, description string) result {
	words := redact.Scrub(code, 80, r.opts.State)
	if d := redact.Scrub(description, 300, r.opts.State); d != "" {
		words += ": " + d
	}
	err := fail.New(fail.Refused, "%s%s refused the login: %s", r.prefix(), r.title(), words)
	switch code {
	case "access_denied":
		err = err.Advise(fail.DoAllowAccess, r.account())
	case "invalid_scope":
		err = err.Advise(fail.DoNarrowScopes)
	case "invalid_request_uri": // the pushed request has expired or was used (RFC 9101 7)
		err = err.Advise(fail.DoStartAgain, r.account())
	case "server_error", "temporarily_unavailable":
		err = err.Advise(fail.DoLogInLater, r.account())
	default:
		err = err.Advise(fail.DoCheckRegistration, r.shownURI(), r.title())
	}
	return result{err: err, words: words}
}

// isCode reports whether code consists of the characters a code may have (RFC 6749 A.11).
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
