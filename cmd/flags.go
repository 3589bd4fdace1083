package cmd

import (
	"github.com/spf13/pflag"

	"github.com/tokencli/tokencli/internal/account"
)

// asTyped are the flags of api whose values are sent as they are.
var asTyped = map[string]bool{"data": true, "header": true, "query": true, "var": true}

// cleanFlags cleans the texts among the flags that were given (see account.Clean). The values of other types
// clean themselves.
func cleanFlags(flags *pflag.FlagSet) (err error) {
	clean := func(f *pflag.Flag, value string) string {
		value, bad := account.Clean("--"+f.Name, value)
		if err == nil {
			err = bad
		}
		return value
	}
	flags.Visit(func(f *pflag.Flag) {
		list, isList := f.Value.(pflag.SliceValue)
		switch {
		case asTyped[f.Name]:
		case isList:
			values := list.GetSlice()
			for i, value := range values {
				values[i] = clean(f, value)
			}
			_ = list.Replace(values) // texts cannot fail
		case f.Value.Type() == "string":
			_ = f.Value.Set(clean(f, f.Value.String()))
		}
	})
	return err
}
