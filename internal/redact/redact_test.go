package redact_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tokencli/tokencli/internal/redact"
)

// odd holds a character of every kind that some encoding escapes.
const odd = `S3:c%r+e t/&="\é<🔑>'~ok`

func TestRedactMasksEveryFormOfASecret(t *testing.T) {
	quoted, err := json.Marshal(odd)
	if err != nil {
		t.Fatal(err)
	}
	query := url.QueryEscape(odd)
	forms := map[string]string{
		"raw":                        odd,
		"query-escaped":              query,
		"query-escaped, space %20":   strings.ReplaceAll(query, "+", "%20"),
		"path-escaped":               url.PathEscape(odd),
		"escaped in lower-case hex":  strings.NewReplacer("%3A", "%3a", "%2F", "%2f", "%2B", "%2b", "%3D", "%3d", "%C3%A9", "%c3%a9").Replace(query),
		"every byte escaped":         "%" + strings.ToUpper(strings.Join(split(hex.EncodeToString([]byte(odd)), 2), "%")),
		"JSON":                       strings.TrimSuffix(strings.TrimPrefix(string(quoted), `"`), `"`),
		"JSON as PHP writes it":      `S3:c%r+e t\/&=\"\\\u00e9<\ud83d\udd11>'~ok`,
		"JSON, upper-case hex":       `S3:c%r+e t\/&=\"\\\u00E9\u003C\uD83D\uDD11\u003E'~ok`,
		"HTML":                       html.EscapeString(odd),
		"HTML, hexadecimal entities": `S3:c%r+e t/&amp;=&quot;\&#xE9;&lt;&#x1F511;&gt;&apos;~ok`,
	}
	for shift := range 3 {
		for name, enc := range map[string]*base64.Encoding{"std": base64.StdEncoding, "url": base64.URLEncoding} {
			forms["base64 "+name+" at "+string(rune('0'+shift))] = enc.EncodeToString([]byte("ab"[:shift] + odd + "xyz"))
			forms["base64 "+name+" of Basic at "+string(rune('0'+shift))] = enc.EncodeToString([]byte("ab"[:shift] + query))
		}
	}
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			got := redact.Secrets("before "+form+" after", odd)
			if !strings.HasPrefix(got, "before ") || !strings.HasSuffix(got, " after") {
				t.Errorf("the text around it is damaged: %q", got)
			}
			// Base64 of a longer text keeps a few characters of its neighbours.
			if rest := strings.Replace(got, redact.Mask, "", 1); len(rest) > len("before  after")+10 || !strings.Contains(got, redact.Mask) {
				t.Errorf("%q was left of %q", got, form)
			}
		})
	}
}

func split(s string, n int) []string {
	var parts []string
	for ; len(s) > 0; s = s[n:] {
		parts = append(parts, s[:n])
	}
	return parts
}

func TestRedact(t *testing.T) {
	tests := []struct {
		name    string
		text    string
		secrets []string
		want    string
	}{
		{"no secret", "a text", nil, "a text"},
		{"an empty secret is none", "a text", []string{""}, "a text"},
		{"not there", "a text", []string{"secret"}, "a text"},
		{"empty text", "", []string{"secret"}, ""},
		{"several times", "secret, secret", []string{"secret"}, "[redacted], [redacted]"},
		{"twice in a row is one", "secretsecret.", []string{"secret"}, "[redacted]."},
		{"one inside another", "abcdef abcd", []string{"abcd", "abcdef"}, "[redacted] [redacted]"},
		{"two that overlap", "x abcdefgh y", []string{"abcdef", "defgh"}, "x [redacted] y"},
		{"overlapping itself", "aabaabaa!", []string{"aabaa"}, "[redacted]!"},
		{"a secret that is part of the mask", "redacted: hunter22", []string{"hunter22", "redacted"}, "[redacted]: [redacted]"},
		{"four characters are masked anywhere", "xabcdx", []string{"abcd"}, "x[redacted]x"},
		{"three are masked as a word", "abc, xabc, abcx, abc", []string{"abc"}, "[redacted], xabc, abcx, [redacted]"},
		{"a short one twice in a row is no word", "abab ab", []string{"ab"}, "abab [redacted]"},
		{"a short one in a query", "?p=ab&q=1", []string{"ab"}, "?p=[redacted]&q=1"},
		{"a short one, escaped", "p=a%2Fb.", []string{"a/b"}, "p=[redacted]."},
		{"letters of other scripts make words too", "éab abé ab", []string{"ab"}, "éab abé [redacted]"},
		{"a percent sign that escapes nothing", "100% 10%zz 10%4", []string{"10%zz"}, "100% [redacted] 10%4"},
		{"a secret that looks escaped, beside what is", "p%2525q %2525&amp;!", []string{"p%25q", "%25&"}, "[redacted] [redacted]!"},
		{"a secret that looks escaped, in HTML", "%25&amp;!", []string{"%25&"}, "[redacted]!"},
		{"a secret with a pair of backslashes", `a\\b& a\\\\b&amp;`, []string{`a\\b&`}, "[redacted] [redacted]"},
		{"a secret that looks escaped, as it is", "p%2Bq!", []string{"p%2Bq"}, "[redacted]!"},
		{"an entity that is none", "a&b;c &#x; &#999999999999;", []string{"a&b;c"}, "[redacted] &#x; &#999999999999;"},
		{"invalid UTF-8", "x\xffabcd\xfe", []string{"\xffabcd"}, "x[redacted]\xfe"},
		{"cut off in an escape", `secre%7`, []string{"secret"}, `secre%7`},
		{"cut off in a JSON escape", `secre\u007`, []string{"secret"}, `secre\u007`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := redact.Secrets(tt.text, tt.secrets...); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// A provider's reply may be 1 MiB long. Looking for the end of an entity all the way from every ampersand
// would take the square of its length, half a minute; the bound tells that from a slow machine.
func TestRedactIsQuickOnHostileText(t *testing.T) {
	text := strings.Repeat("&", 1<<19)
	start := time.Now()
	if got := redact.Secrets(text, "one-secret-of-many"); got != text {
		t.Error("something is masked")
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}

// Any run of 12 bytes of a secret is masked, in each form of the promise.
func TestRedactMasksRunsOfASecret(t *testing.T) {
	const secret = "rt-9f8e7d6c5b4a.3210/zyxwv+QRST"
	forms := map[string]func(string) string{
		"verbatim":                 func(s string) string { return s },
		"percent, once":            url.QueryEscape,
		"percent, twice":           func(s string) string { return url.QueryEscape(url.QueryEscape(s)) },
		"every byte":               func(s string) string { return "%" + strings.Join(split(hex.EncodeToString([]byte(s)), 2), "%") },
		"JSON":                     func(s string) string { return strings.ReplaceAll(s, "/", `\/`) },
		"HTML":                     func(s string) string { return strings.ReplaceAll(s, "+", "&#43;") },
		"hex":                      func(s string) string { return hex.EncodeToString([]byte(s)) },
		"upper-case hex":           func(s string) string { return strings.ToUpper(hex.EncodeToString([]byte(s))) },
		"base64":                   func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
		"base64url":                func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte("Q" + s)) },
		"base64 after a letter":    func(s string) string { return "k" + base64.RawStdEncoding.EncodeToString([]byte(s)) },
		"base64 after two letters": func(s string) string { return "ke" + base64.RawStdEncoding.EncodeToString([]byte(s)) },
		"base64 after three":       func(s string) string { return "key" + base64.RawStdEncoding.EncodeToString([]byte(s)) },
		"hex after a digit":        func(s string) string { return "0" + hex.EncodeToString([]byte(s)) },
		"two lines":                func(s string) string { return s[:6] + "\r\n  " + s[6:] },
		"two lines in JSON":        func(s string) string { return s[:6] + `\n` + s[6:] },
		"percent, two lines":       func(s string) string { return url.QueryEscape(s[:6] + "\n" + s[6:]) },
		"base64, two lines": func(s string) string {
			text := base64.StdEncoding.EncodeToString([]byte(s))
			return text[:9] + "\n" + text[9:]
		},
		"base64 in a URL": func(s string) string { return url.QueryEscape(base64.StdEncoding.EncodeToString([]byte("QQ" + s))) },
	}
	for name, form := range forms {
		for from := 0; from+12 <= len(secret); from++ {
			for to := from + 12; to <= len(secret); to++ {
				encoded := form(secret[from:to])
				got := redact.Secrets("<"+encoded+">", secret)
				// Base64 keeps the characters that also encode neighbouring bytes, and the padding: %3D%3D.
				if rest := len(strings.Replace(got, redact.Mask, "", 1)); !strings.Contains(got, redact.Mask) || rest > 2+4+6 {
					t.Errorf("%s of [%d:%d]: %q of %q", name, from, to, got, encoded)
				}
			}
		}
	}
	// Words that a line break keeps apart are not joined to a short secret.
	if got := redact.Secrets("this\nnot that", "isno"); got != "this\nnot that" {
		t.Errorf("joined: %q", got)
	}
	if got := redact.Secrets("<"+secret[:11]+">", secret); got != "<"+secret[:11]+">" {
		t.Errorf("11 bytes are masked: %q", got)
	}
}

// A secret may be a word of our messages: masking it there would cut a hole into the sentence and reveal it.
func TestComposedLeavesOurWordsAlone(t *testing.T) {
	const message = "tokencli: Mollie refused the client (client_id abc): check the client id and secret, then TOKENCLI_MOLLIE_CLIENT_SECRET"
	for _, secret := range []string{"secret", "the", "client", "client_id", "the client id and secret", "TOKENCLI_MOLLIE_CLIENT_SECRET", "abc", "Mollie refused", "oauth2"} {
		if got := redact.Composed(message, secret); got != message {
			t.Errorf("%s: %q", secret, got)
		}
	}
	const key = "a line AGE-SECRET-KEY-1..."
	if got := redact.Composed(key, "AGE-SECRET-KEY-1QQPZRY9X8GF2TVDW0S3"); got != key {
		t.Errorf("the public start of a key: %q", got)
	}
	for _, secret := range []string{"AGE-SECRET-KEY-1QQPZRY9X8GF2TVDW0S3", "hunter22", "S3:c%r+e t/", strings.Repeat("letters", 5), "client secret 4f1d0c7e9ab2", "aBcDeFgHiJ"} {
		if got := redact.Composed("tokencli: "+secret+".", secret); !strings.Contains(got, redact.Mask) || strings.Contains(got, secret[len(secret)-8:]) {
			t.Errorf("%s: %q", secret, got)
		}
	}
}

func TestScrubBoundsItsWork(t *testing.T) {
	secret := strings.Repeat("k9", 30)
	text := strings.Repeat(secret+" ", 1<<20/len(secret))
	if got := redact.Scrub(text, 300, secret); strings.Contains(got, "k9") {
		t.Errorf("%q", got)
	}
}

func TestScrub(t *testing.T) {
	tests := []struct {
		name, text string
		limit      int
		want       string
	}{
		{"space is joined", " a\n\tb  c\r\n", 0, "a b c"},
		{"cut by characters", "äöü", 2, "äö…"},
		{"not cut at the limit", "äöü", 3, "äöü"},
		{"masked before it is cut", "x hunter22", 6, "x [red…"},
		{"masked before it is escaped", "hunter22\x1b[31m", 0, `[redacted]\x1b[31m`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := redact.Scrub(tt.text, tt.limit, "hunter22"); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestPrintable(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"plain", "Olá, ação €5 漢字 🔑", "Olá, ação €5 漢字 🔑"},
		{"white space", "a\nb\rc\td", "a b c d"},
		{"escape sequence", "\x1b[2J\x1b]0;title\x07", `\x1b[2J\x1b]0;title\x07`},
		{"NUL, backspace, vertical tab, DEL", "\x00\b\v\x7f", `\x00\x08\x0b\x7f`},
		{"C1: CSI and NEL", "\u009b31m\u0085", `\u009b31m\u0085`},
		{"bidirectional overrides and isolates", "\u202eabc\u202c\u2066\u2069", `\u202eabc\u202c\u2066\u2069`},
		{"invisible", "a\u200b\ufeff\u00ad\u2028b", `a\u200b\ufeff\u00ad\u2028b`},
		{"spaces that are not one", "a\u00a0b", `a\u00a0b`},
		{"tags beyond the BMP", "a\U000e0041b", `a\U000e0041b`},
		{"invalid UTF-8", "a\xff\xc3(", `a\xff\xc3(`},
		{"the replacement character itself", "\ufffd", "\ufffd"},
		{"raw C1 bytes are invalid UTF-8", "\x9b31m", `\x9b31m`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := redact.Printable(tt.text); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzScrub(f *testing.F) {
	f.Add("before "+odd+" after", odd)
	f.Add("p=a%2Fb&amp;", "a/b&")
	f.Add(`\u00e9\ud83d`, "é🔑")
	f.Add("\x1b[31m%", "%%%%")
	f.Fuzz(func(t *testing.T, text, secret string) {
		if len(secret) < 4 || strings.Contains(redact.Mask, secret) {
			return
		}
		masked := redact.Secrets(text, secret)
		// What the masks leave must not hold it, however they are joined to their surroundings.
		for _, rest := range strings.Split(masked, redact.Mask) {
			if strings.Contains(rest, secret) {
				t.Errorf("Redact(%q, %q) = %q", text, secret, masked)
			}
		}
		scrubbed := redact.Scrub(text, 0, secret)
		if !utf8.ValidString(scrubbed) || strings.ContainsFunc(scrubbed, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("Scrub(%q) = %q", text, scrubbed)
		}
	})
}
