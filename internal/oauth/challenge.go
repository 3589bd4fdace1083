package oauth

import "strings"

// authParams returns the parameters of WWW-Authenticate headers (RFC 9110 11.6.1), by their names in lower case. The
// schemes are not told apart; the first of several parameters of one name counts.
func authParams(headers []string) map[string]string {
	params := map[string]string{}
	for _, rest := range headers {
		for rest != "" {
			var name, value string
			name, rest = token(strings.TrimLeft(rest, ", \t"))
			after := strings.TrimLeft(rest, " \t")
			switch {
			case name == "":
				rest = "" // not a list of parameters
				continue
			case !strings.HasPrefix(after, "="):
				continue // the name of a scheme
			}
			value, rest = CutValue(strings.TrimLeft(after[1:], " \t"), ", \t")
			name = strings.ToLower(name)
			if _, twice := params[name]; !twice {
				params[name] = value
			}
		}
	}
	return params
}

// token cuts off a token (RFC 9110 5.6.2), or what is as good as one.
func token(s string) (name, rest string) {
	end := strings.IndexAny(s, " \t,=\"")
	if end < 0 {
		return s, ""
	}
	return s[:end], s[end:]
}

// CutValue cuts off the value of a parameter in a header: a quoted string (RFC 9110 5.6.4), or what is before the first of
// the characters in ends.
func CutValue(s, ends string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, ends)
		if end < 0 {
			return s, ""
		}
		return s[:end], s[end:]
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:]
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String(), ""
}
