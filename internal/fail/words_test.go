package fail_test

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
)

func TestWordsLeaveOutWhatIsQuoted(t *testing.T) {
	secret := errors.New("s3cret")
	file := &fs.PathError{Op: "open", Path: "/home/ana", Err: syscall.ENOENT}
	inner := fail.New(fail.Store, "%s cannot be read: %w", "/home/ana", file)
	for want, got := range map[string]string{
		"… is not set":                 fail.Words("%s is not set", "s3cret"),
		"TOKENCLI_STORE is not set":    fail.Words("%s is not set", fail.Word("TOKENCLI_STORE")),
		"3 of \"…\", mode 0755, in 2s": fail.Words("%d of %q, mode %04o, in %s", 3, "s3cret", fs.FileMode(0o755), 2*time.Second),
		"in ":                          fail.Words("in %s", ""),
		"in …":                         fail.Words("in %v", []string{"s3cret"}),
		"as …":                         fail.Words("as %v", fmt.Stringer(nil)),
		"… cannot be read: " + syscall.ENOENT.Error():        fail.WordsOf(inner),
		"again: … cannot be read: " + syscall.ENOENT.Error(): fail.WordsOf(fail.New(fail.Usage, "again: %w", fmt.Errorf("s3cret: %w", inner))),
		"… (*errors.errorString)":                            fail.WordsOf(fmt.Errorf("x: %w", secret)),
		"broken: … (*errors.errorString)":                    fail.WordsOf(fail.New(fail.Usage, "broken: %w", secret)),
		"100% of …":                                          fail.Words("100%% of %s", "s3cret"),
	} {
		if got != want {
			t.Errorf("%q instead of %q", got, want)
		}
	}
}
