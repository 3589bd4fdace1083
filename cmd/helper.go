package cmd

import (
	"context"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/helper"
	"github.com/tokencli/tokencli/internal/redact"
)

// helperCall is one call of a helper: its flags and arguments.
type helperCall struct {
	hosts    []string
	username string

	account   account.Name // empty for docker
	operation string       // for git and docker; the address for goauth
}

// helperKind is one tool that can ask for a token.
type helperKind struct {
	name, use   string
	short, long string
	example     string // arguments
	declare     func(*helperCall, *pflag.FlagSet)
	// parse reads the arguments.
	parse func(*helperCall, []string) error
	run   func(*app, context.Context, *helperCall, helper.Source) error
	// setup returns the lines that the user adds to the tool's configuration.
	setup func(*helperCall, *settings) (string, error)
}

// dockerName is the name of the link by which docker calls tokencli.
const dockerName = "docker-credential-tokencli"

// asHelper puts what docker leaves out before the arguments of a program that was called by its link.
func asHelper(argv []string) []string {
	if len(argv) == 0 {
		return nil
	}
	if strings.TrimSuffix(filepath.Base(argv[0]), ".exe") == dockerName {
		return append([]string{"helper", "docker"}, argv[1:]...)
	}
	return argv[1:]
}

// tokenUser is the user name that goes with a token where a tool needs one. GitLab and others take no other.
const tokenUser = "oauth2"

func (c *helperCall) declareHosts(f *pflag.FlagSet) {
	f.StringArrayVar(&c.hosts, "host", nil, "give the token for `HOST` or HOST:PORT; required, may be repeated")
}

func (c *helperCall) checkHosts() error {
	if len(c.hosts) == 0 {
		return usage("--host is missing: the token is given only for the hosts that it names").WithHint("--host git.example.com")
	}
	for _, host := range c.hosts {
		if err := helper.CheckHost(host); err != nil {
			return err
		}
	}
	return nil
}

// parseAccount reads ACCOUNT and one optional argument.
func (c *helperCall) parseAccount(args []string, more string) (err error) {
	if len(args) == 0 {
		return usage("which account?").WithHint("name one account, such as mollie or mollie/shop-b")
	}
	if len(args) > 2 || len(args) == 2 && more == "" {
		return usage("unexpected argument %q", redact.Scrub(args[len(args)-1], 80))
	}
	if len(args) == 2 {
		c.operation = args[1]
	}
	c.account, err = account.Parse(args[0])
	return err
}

func (a *app) helperCommand() *cobra.Command {
	c := group("helper", "Answer other tools in their own credential protocols",
		`Answers git, docker, kubectl and the go command when they ask for a credential. The token is refreshed first
if it is about to expire. A helper gives it only for the hosts that it was set up for, and only over https (or
http on this machine). If it has none to give, it tells the tool so and prints the reason to stderr.`,
		`  tokencli helper setup git monta --host git.example.com
  tokencli helper setup kubectl monta`)
	setup := group("setup", "Print the lines to add to a tool's configuration",
		"Prints the lines to add to a tool's configuration. It takes the arguments of the helper and changes nothing.",
		"  tokencli helper setup goauth monta --host modules.example.com")
	for _, kind := range helperKinds() {
		setup.AddCommand(a.helperSubcommand(kind, true))
		c.AddCommand(a.helperSubcommand(kind, false))
	}
	c.AddCommand(setup)
	return c
}

func (a *app) helperSubcommand(kind helperKind, setup bool) *cobra.Command {
	var call helperCall
	c := &cobra.Command{Use: kind.use, Short: kind.short, Long: kind.long, Example: "  tokencli helper " + kind.example}
	if setup {
		c.Use, _, _ = strings.Cut(c.Use, " get|") // setup takes no operation
		c.Use, _, _ = strings.Cut(c.Use, " [")
		c.Short = "Print the lines to add for " + kind.name
		c.Long = "Prints the lines to add to the configuration of " + kind.name + "."
		c.Example = "  tokencli helper setup " + strings.TrimSuffix(kind.example, " get")
	}
	kind.declare(&call, c.Flags())
	c.Args = func(_ *cobra.Command, args []string) error { return kind.parse(&call, args) }
	if kind.name != "docker" {
		c.ValidArgsFunction = a.completeAccounts
	}
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if !setup {
			return a.help(cmd.Context(), kind, &call)
		}
		set, err := a.settings()
		if err != nil {
			return err
		}
		lines, err := kind.setup(&call, set)
		if err != nil {
			return err
		}
		return a.print(lines)
	}
	return c
}

// quickHelper is the short way of `helper KIND ...`, which tools call for each request: building the tree of
// commands would cost as much as the rest. done is false for everything that needs the tree, such as --help.
func (a *app) quickHelper(ctx context.Context, args []string) (code int, done bool) {
	if len(args) < 2 || args[0] != "helper" {
		return 0, false
	}
	kinds := helperKinds()
	i := slices.IndexFunc(kinds, func(k helperKind) bool { return k.name == args[1] })
	if i < 0 {
		return 0, false
	}
	var call helperCall
	f := pflag.NewFlagSet(args[1], pflag.ContinueOnError)
	f.SetOutput(io.Discard)
	kinds[i].declare(&call, f)
	if f.Parse(args[2:]) != nil || kinds[i].parse(&call, f.Args()) != nil {
		return 0, false
	}
	ctx, err := a.traced(ctx)
	if err == nil {
		err = a.help(ctx, kinds[i], &call)
	}
	if err != nil {
		return a.report(err), true
	}
	return 0, true
}

func (a *app) help(ctx context.Context, kind helperKind, call *helperCall) error {
	set, err := a.settings()
	if err != nil {
		return err
	}
	if call.account.Provider != "" {
		if call.account, err = a.chosen(call.account); err != nil {
			return err
		}
	}
	s, err := a.open()
	if err != nil {
		return err
	}
	return kind.run(a, ctx, call, helper.Source{Session: s, MinTTL: set.MinTTL})
}

// helperKinds are the tools, in the order of the help.
func helperKinds() []helperKind {
	return []helperKind{gitHelper(), dockerHelper(), kubectlHelper(), goauthHelper()}
}

func gitHelper() helperKind {
	return helperKind{
		name: "git", example: "git monta --host git.example.com get", use: "git ACCOUNT [get|store|erase]", short: "Answer git as a credential helper",
		long: `Answers git as a credential helper (gitcredentials(7)) for the hosts of --host. After a server has refused
the token, git asks to erase it: the token is then refreshed, at most once a minute.`,
		declare: func(c *helperCall, f *pflag.FlagSet) {
			c.declareHosts(f)
			f.StringVar(&c.username, "username", tokenUser, "send the token as the password of `USER`")
		},
		parse: func(c *helperCall, args []string) error {
			if err := c.parseAccount(args, "get|store|erase"); err != nil {
				return err
			}
			return c.checkHosts()
		},
		run: func(a *app, ctx context.Context, c *helperCall, source helper.Source) error {
			g := &helper.Git{Source: source, Account: c.account, Hosts: c.hosts, Username: c.username}
			return g.Run(ctx, c.operation, a.stdin, a.stdout)
		},
		setup: func(c *helperCall, _ *settings) (string, error) {
			command := "tokencli helper git " + c.account.String() + hostFlags(c.hosts)
			if c.username != tokenUser {
				command += " --username " + shellQuote(c.username)
			}
			lines := "# Add to ~/.gitconfig. The empty helper keeps other helpers from storing the token.\n"
			for _, host := range c.hosts {
				lines += "[credential \"https://" + host + "\"]\n\thelper =\n\thelper = \"!" + strings.ReplaceAll(command, `"`, `\"`) + "\"\n"
			}
			return lines, nil
		},
	}
}

func dockerHelper() helperKind {
	return helperKind{
		name: "docker", example: "docker get", use: "docker get|store|erase|list", short: "Answer docker as a credential helper",
		long: `Answers docker as a credential helper for the registries that helpers.docker in config.yaml maps to
accounts. Docker calls it by the name docker-credential-tokencli, a link to tokencli.`,
		declare: func(*helperCall, *pflag.FlagSet) {},
		parse: func(c *helperCall, args []string) error {
			if len(args) > 1 {
				return usage("unexpected argument %q", redact.Scrub(args[1], 80))
			}
			c.operation = strings.Join(args, "")
			return nil
		},
		run: func(a *app, ctx context.Context, c *helperCall, source helper.Source) error {
			if c.operation == "" {
				return usage("which operation?").WithHint("docker-credential helpers take get, store, erase or list")
			}
			set, err := a.settings()
			if err != nil {
				return err
			}
			d := &helper.Docker{Source: source, Registries: map[string]account.Name{}, Username: tokenUser}
			for host, given := range set.Registries {
				if d.Registries[host], err = a.chosen(given); err != nil {
					return err
				}
			}
			return d.Run(ctx, c.operation, a.stdin, a.stdout)
		},
		setup: func(_ *helperCall, set *settings) (string, error) {
			if len(set.Registries) == 0 {
				return "", usage("no registry is set up").Advise(fail.DoMapRegistry)
			}
			var hosts []string
			for host := range set.Registries {
				hosts = append(hosts, `"`+host+`": "tokencli"`)
			}
			slices.Sort(hosts)
			return "# A link in a folder of PATH, by which docker finds tokencli:\n" +
				"ln -s \"$(command -v tokencli)\" ~/.local/bin/" + dockerName + "\n" +
				"# Add to ~/.docker/config.json:\n" +
				`{"credHelpers": {` + strings.Join(hosts, ", ") + "}}\n", nil
		},
	}
}

func kubectlHelper() helperKind {
	return helperKind{
		name: "kubectl", example: "kubectl monta", use: "kubectl ACCOUNT", short: "Answer kubectl as an exec plugin",
		long: `Answers kubectl, and every program that uses client-go, as an exec plugin of a kubeconfig, in the version
(v1 or v1beta1) that KUBERNETES_EXEC_INFO asks for. A cluster on http is refused unless it is on this machine.`,
		declare: func(*helperCall, *pflag.FlagSet) {},
		parse:   func(c *helperCall, args []string) error { return c.parseAccount(args, "") },
		run: func(a *app, ctx context.Context, c *helperCall, source helper.Source) error {
			k := &helper.Kubectl{Source: source, Account: c.account, Info: a.getenv("KUBERNETES_EXEC_INFO")}
			return k.Run(ctx, a.stdout)
		},
		setup: func(c *helperCall, _ *settings) (string, error) {
			name := c.account.String()
			return "# Add to ~/.kube/config, and name the user in a context.\n" +
				"users:\n- name: " + name + "\n  user:\n    exec:\n" +
				"      apiVersion: client.authentication.k8s.io/v1\n      command: tokencli\n" +
				"      args: [helper, kubectl, " + name + "]\n" +
				"      provideClusterInfo: true\n      interactiveMode: Never\n", nil
		},
	}
}

func goauthHelper() helperKind {
	return helperKind{
		name: "goauth", example: "goauth monta --host modules.example.com", use: "goauth ACCOUNT [URL]", short: "Answer the go command (GOAUTH)",
		long: `Answers the go command, as GOAUTH describes (go help goauth), for the hosts of --host. If a server answered
401, the token is refreshed, at most once a minute.`,
		declare: (*helperCall).declareHosts,
		parse: func(c *helperCall, args []string) error {
			if err := c.parseAccount(args, "URL"); err != nil {
				return err
			}
			return c.checkHosts()
		},
		run: func(a *app, ctx context.Context, c *helperCall, source helper.Source) error {
			g := &helper.GoAuth{Source: source, Account: c.account, Hosts: c.hosts}
			return g.Run(ctx, c.operation, a.stdin, a.stdout)
		},
		setup: func(c *helperCall, _ *settings) (string, error) {
			return "go env -w 'GOAUTH=tokencli helper goauth " + c.account.String() + hostFlags(c.hosts) + "; netrc'\n", nil
		},
	}
}

// hostFlags returns the flags for hosts, which CheckHost found to be plain words.
func hostFlags(hosts []string) string {
	var flags strings.Builder
	for _, host := range hosts {
		flags.WriteString(" --host " + host)
	}
	return flags.String()
}

// registriesOf reads helpers.docker of the configuration.
func registriesOf(helpers map[string]map[string]string, path string) (map[string]account.Name, error) {
	registries := map[string]account.Name{}
	for kind, hosts := range helpers {
		if kind != "docker" {
			return nil, usage("%s: helpers.%s: only docker is set up there", path, redact.Scrub(kind, 40))
		}
		for host, text := range hosts {
			if err := helper.CheckHost(host); err != nil {
				return nil, usage("%s: helpers.docker: %w", path, err)
			}
			name, err := account.Parse(text)
			if err != nil {
				return nil, usage("%s: helpers.docker: %w", path, err)
			}
			registries[host] = name
		}
	}
	return registries, nil
}
