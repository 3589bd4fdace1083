//go:build linux

package main

import "fmt"

// helpers are the calls of other tools, against `token`.
func (b *bench) helpers() error {
	token, err := b.token("token", b.env, "monta")
	if err != nil {
		return err
	}
	commands := []*command{token}
	for _, args := range [][]string{{"kubectl", "monta"}, {"goauth", "monta", "--host", "modules.example.com"}} {
		argv := append([]string{b.tool("tokencli"), "helper"}, args...)
		commands = append(commands, &command{name: "helper " + args[0], argv: argv, env: b.env})
	}
	if err := rounds(b.ctx, commands, max(10, b.rounds/2)); err != nil {
		return err
	}
	for _, c := range commands[1:] {
		what := c.name + " / token"
		got := ratio(c, token)
		fmt.Fprintf(&b.out, "| %s | %.2f | %s |\n", what, got, b.limit(what, got, 1.3))
	}
	return nil
}
