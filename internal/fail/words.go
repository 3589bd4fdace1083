package fail

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"syscall"
)

// Word is a text of tokencli's own, such as the name of a store or a variable. Words keeps it.
type Word string

const ellipsis = "…"

// Words formats a message as fmt.Sprintf does, with an ellipsis in place of every text that it quotes. Numbers, each
// Word, and the words of errors stay. So the result holds no secret, path, host or name and can be published.
func Words(format string, args ...any) string {
	shown := make([]any, len(args))
	for i, arg := range args {
		shown[i] = ellipsis
		switch arg := arg.(type) {
		case error:
			shown[i] = WordsOf(arg)
		case Word:
			shown[i] = arg
		default:
			// A number, or an empty text, which hides nothing.
			if v := reflect.ValueOf(arg); v.IsValid() && (v.CanInt() || v.CanUint() || v.CanFloat() || v.Kind() == reflect.String && v.Len() == 0) {
				shown[i] = arg
			}
		}
	}
	return fmt.Sprintf(strings.ReplaceAll(format, "%w", "%s"), shown...)
}

// WordsOf returns the words of an error: those that New was given, of an error of the system its text, and of any
// other its type.
func WordsOf(err error) string {
	var (
		e      *Error
		system syscall.Errno
	)
	switch {
	case errors.As(err, &e) && e.words != "":
		return e.words
	case errors.As(err, &system):
		return system.Error()
	}
	for errors.Unwrap(err) != nil {
		err = errors.Unwrap(err)
	}
	return fmt.Sprintf("%s (%T)", ellipsis, err)
}
