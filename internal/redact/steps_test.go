package redact

import (
	"fmt"
	"strings"
	"testing"
)

// adversarial are pairs of a secret and a piece of text that make a search with backtracking expensive.
var adversarial = [][2]string{
	{strings.Repeat(`\`, 24) + "X", `\`},
	{strings.Repeat("%25", 20) + "X", "%25"},
	{strings.Repeat("&amp;", 20) + "X", "&amp;"},
	{strings.Repeat("a", 4000), "a"},
	{strings.Repeat("a", 4000), "a%61"},
	{"one-secret-of-many", "&"},
	{strings.Repeat("aaaaaaaaaaab", 20), "aaaaaaaaaaa"},
	{"a b", "+"},
}

// maxSteps is how many steps a byte of text may take: in each reading it is decoded by 6 bits or 4 at each offset, and
// one pattern of each length is looked up.
const maxSteps = 4000

func steps(text string, secrets ...string) int {
	m := new(matcher)
	for _, secret := range secrets {
		m.add(secret, nil)
	}
	m.mask(text)
	return m.steps
}

func TestDoublingTheTextDoublesTheSteps(t *testing.T) {
	for _, pair := range adversarial {
		secret, piece := pair[0], pair[1]
		once := steps(strings.Repeat(piece, 1000), secret)
		twice := steps(strings.Repeat(piece, 2000), secret)
		if twice > 2*once+once/10 {
			t.Errorf("%.20q in %q: %d steps, then %d", secret, piece, once, twice)
		}
	}
}

// The work depends on the text alone: more and longer secrets take no more steps.
func TestLongSecretsTakeNoMoreSteps(t *testing.T) {
	text := strings.Repeat(`abc\u0061%25&amp;`, 500)
	long := strings.Repeat("0123456789+/abcdefghij", 200)
	if few, many := steps(text, long[:12]), steps(text, long, long+"x", "y"+long); many > few+few/10 {
		t.Errorf("%d steps for one secret, %d for long ones", few, many)
	}
}

func FuzzSteps(f *testing.F) {
	for _, pair := range adversarial {
		f.Add(strings.Repeat(pair[1], 20), pair[0], "short")
	}
	f.Fuzz(func(t *testing.T, text, secret, other string) {
		if n := steps(text, secret, other); n > maxSteps*(len(text)+1) {
			t.Errorf("%d steps for %d bytes: %q", n, len(text), text)
		}
	})
}

// Doubling the text at most doubles the time, whatever the pair of secret and text.
func BenchmarkSecrets(b *testing.B) {
	for i, pair := range adversarial {
		for _, size := range []int{16 << 10, 32 << 10, 64 << 10} {
			text := strings.Repeat(pair[1], size/len(pair[1]))
			b.Run(fmt.Sprintf("%d/%dKiB", i, size>>10), func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				for b.Loop() {
					Secrets(text, pair[0])
				}
			})
		}
	}
}
