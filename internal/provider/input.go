package provider

import (
	"fmt"
	"regexp"
	"slices"
)

// InputsInHosts reports whether an input is part of the host of an address, so that its value decides where a login
// goes.
func (d *Definition) InputsInHosts() bool {
	for _, address := range d.Addresses() {
		_, authority, _ := splitTemplate(*address)
		for _, input := range d.Inputs {
			if slices.Contains(Holders(authority), input.Name) {
				return true
			}
		}
	}
	return false
}

// Check reports why a value cannot be the input's. It quotes nothing of the value.
func (i Input) Check(value string) error {
	if value == "" {
		return fmt.Errorf("%s: no value", i.Name)
	}
	if i.Pattern == "" {
		return nil
	}
	pattern, err := regexp.Compile(`\A(?:` + i.Pattern + `)\z`)
	if err != nil {
		return fmt.Errorf("%s: the pattern is not a regular expression of RE2", i.Name)
	}
	if !pattern.MatchString(value) {
		return fmt.Errorf("%s: the value does not match %s", i.Name, i.Pattern)
	}
	return nil
}
