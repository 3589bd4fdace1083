package session

import (
	"maps"
	"slices"
	"strings"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/redact"
)

// inputs returns the values of the definition's inputs, each matching its pattern. The user is asked for those that
// are set nowhere; where nobody can be asked, the defaults count.
func (l *lookup) inputs() (map[string]string, error) {
	for _, given := range []map[string]string{l.flags.Inputs, l.defaults(l.name).Inputs} {
		if err := l.knowsInputs(given); err != nil {
			return nil, err
		}
	}
	if len(l.definition.Inputs) == 0 {
		return nil, nil
	}
	values := make(map[string]string, len(l.definition.Inputs))
	for _, input := range l.definition.Inputs {
		value, err := l.input(input)
		if err != nil {
			return nil, err
		}
		values[input.Name] = value
	}
	return values, nil
}

// knowsInputs refuses a value for an input that the definition does not have.
func (l *lookup) knowsInputs(given map[string]string) error {
	names := make([]string, 0, len(l.definition.Inputs))
	for _, input := range l.definition.Inputs {
		names = append(names, input.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if slices.Contains(names, name) {
			continue
		}
		known := "it has none"
		if len(names) > 0 {
			known = "its inputs are " + strings.Join(names, ", ")
		}
		return fail.New(fail.Usage, "%s has no input %q; %s", l.definition.Title, redact.Scrub(name, 40), known)
	}
	return nil
}

func (l *lookup) input(input provider.Input) (string, error) {
	setting := account.InputSetting(input.Name)
	variable := l.name.Var(setting)
	environment, err := l.name.LoginSetting(l.Getenv, setting)
	if err != nil {
		return "", err
	}
	for _, source := range []struct{ value, name string }{
		{l.flags.Inputs[input.Name], ""},
		{environment, " (from " + variable + ")"},
		{l.defaults(l.name).Inputs[input.Name], " (from the configuration file)"},
	} {
		if source.value != "" {
			return source.value, l.checkInput(input, source.value, source.name)
		}
	}
	// The pattern may have changed since the stored login.
	if l.old != nil && input.Check(l.old.Inputs[input.Name]) == nil {
		return l.old.Inputs[input.Name], nil
	}
	value := input.Default
	if l.flags.Ask != nil {
		if value, err = l.askInput(input); err != nil {
			return "", err
		}
	}
	if value == "" {
		return "", fail.New(fail.Usage, "%s: %s is not set", l.name, variable).
			Advise(fail.DoSetInput, input.Name, redact.Printable(input.Prompt))
	}
	return value, l.checkInput(input, value, "")
}

// askInput asks the user, who accepts the default with an empty line.
func (l *lookup) askInput(input provider.Input) (string, error) {
	label := redact.Printable(input.Prompt)
	if input.Default == "" {
		return l.flags.Ask.Ask(label)
	}
	return l.flags.Ask.AskOr(label, redact.Printable(input.Default))
}

func (l *lookup) checkInput(input provider.Input, value, source string) error {
	if err := input.Check(value); err != nil {
		return fail.New(fail.Usage, "%s: input %w%s", l.name, err, source)
	}
	return nil
}
