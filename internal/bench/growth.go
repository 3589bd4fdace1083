//go:build linux

package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// growth is what other accounts, and definitions of the user's own, cost a call.
func (b *bench) growth() error {
	accounts, definitions := []int{1, 10, 100, 1000}, []int{1, 10, 100}
	if b.short {
		accounts, definitions = []int{1, 100}, []int{1, 100}
	}
	fmt.Fprintf(&b.out, "\n| with | 1 | %s |\n| --- |%s\n", columns(accounts[1:]), strings.Repeat(" --- |", len(accounts)))
	b.columns = len(accounts)
	var calls, lists []*command
	for _, n := range accounts {
		env, err := b.withAccounts(n)
		if err != nil {
			return err
		}
		call, err := b.token(strconv.Itoa(n)+" accounts", env, "monta")
		if err != nil {
			return err
		}
		calls = append(calls, call)
		lists = append(lists, &command{name: "status", argv: []string{b.tool("tokencli"), "status"}, env: env})
	}
	if err := rounds(b.ctx, append(slices.Clone(calls), lists...), max(10, b.rounds/3)); err != nil {
		return err
	}
	b.grown("accounts: `token`, x that with one", calls)
	b.grown("accounts: `status`, x that with one", lists)
	last := len(accounts) - 1
	each := (quantile(lists[last].wall, 0.5) - quantile(lists[0].wall, 0.5)) / float64(accounts[last]-1)
	most := ratio(calls[last], calls[0])

	var builtin, own []*command
	for _, n := range definitions {
		env, err := b.withDefinitions(n)
		if err != nil {
			return err
		}
		first, err := b.token("built in", env, "monta")
		if err != nil {
			return err
		}
		second, err := b.token("own", env, "acme0")
		if err != nil {
			return err
		}
		builtin, own = append(builtin, first), append(own, second)
	}
	if err := rounds(b.ctx, append(slices.Clone(builtin), own...), max(10, b.rounds/3)); err != nil {
		return err
	}
	b.grown("own definitions: `token` of a built-in provider", builtin)
	b.grown("own definitions: `token` of one of them", own)
	fmt.Fprintf(&b.out, "\nAn account more costs `status` %.2f ms, that is %.2f x hello. `token` with %d accounts takes %.2f x as long as with one (limit %s).\n",
		each, each/b.hello, accounts[last], most, b.limit("many accounts / one", most, 1.1))
	return nil
}

func columns(counts []int) string {
	var parts []string
	for _, n := range counts {
		parts = append(parts, strconv.Itoa(n))
	}
	return strings.Join(parts, " | ")
}

func (b *bench) grown(what string, commands []*command) {
	fmt.Fprintf(&b.out, "| %s |", what)
	for _, c := range commands {
		fmt.Fprintf(&b.out, " %.2f |", ratio(c, commands[0]))
	}
	for range b.columns - len(commands) {
		b.out.WriteString(" |")
	}
	fmt.Fprintln(&b.out)
}

// withAccounts is the environment with a file store of so many accounts.
func (b *bench) withAccounts(n int) ([]string, error) {
	env := append(slices.Clone(b.env), "TOKENCLI_STORE=file", "TOKENCLI_FILE_KEY="+filepath.Join(b.home, "key.txt"),
		"TOKENCLI_STATE_DIR="+filepath.Join(b.home, fmt.Sprintf("state-%d", n)))
	if err := b.quiet(env, "login", "monta"); err != nil {
		return nil, err
	}
	for i := 1; i < n; i++ {
		if err := b.static(env, fmt.Sprintf("monta/n%d", i)); err != nil {
			return nil, err
		}
	}
	return env, nil
}

// withDefinitions is the environment with so many definitions beside the built-in ones, and a login at the
// first of them.
func (b *bench) withDefinitions(n int) ([]string, error) {
	dir := filepath.Join(b.home, fmt.Sprintf("config-%d", n))
	env := append(slices.Clone(b.env), "TOKENCLI_STORE=file", "TOKENCLI_FILE_KEY="+filepath.Join(b.home, "key.txt"),
		"TOKENCLI_STATE_DIR="+filepath.Join(b.home, fmt.Sprintf("state-of-%d", n)), "TOKENCLI_CONFIG_DIR="+dir)
	for i := range n {
		name := fmt.Sprintf("acme%d", i)
		if err := writeAll(filepath.Join(dir, "providers"), name+".yaml", definition(name)); err != nil {
			return nil, err
		}
	}
	if err := b.quiet(env, "login", "monta"); err != nil {
		return nil, err
	}
	return env, b.static(env, "acme0")
}

// static logs in with a token that was made by hand.
func (b *bench) static(env []string, account string) error {
	token := "static_" + strings.ReplaceAll(account, "/", "_") + "\n"
	return b.feed(env, token, b.tool("tokencli"), "login", account, "--with-token")
}

// definition is a provider of the user's own, as the simplest ones are written.
func definition(name string) string {
	return strings.ReplaceAll(`name: NAME
title: NAME
docs: https://NAME.example/docs
checked: 2026-01-01
client: {create: "https://NAME.example/", secret: required}
grants: [authorization_code]
redirect: {default: "http://localhost:8976/callback"}
authorize: {url: https://NAME.example/authorize, pkce: S256}
token:
  authorization_code: {url: https://NAME.example/token}
  refresh: {url: https://NAME.example/token}
api: {url: https://NAME.example/}
revoke: {manual: "https://NAME.example/"}
`, "NAME", name)
}
