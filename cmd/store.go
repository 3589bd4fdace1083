package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/safefile"
	"github.com/tokencli/tokencli/internal/session"
	"github.com/tokencli/tokencli/internal/store"
	"github.com/tokencli/tokencli/internal/yamlfile"
)

func (a *app) storeCommand() *cobra.Command {
	return group("store", "Prepare and manage the store for credentials",
		`Credentials are kept in the operating system's keychain unless TOKENCLI_STORE, or store in config.yaml,
names another store: file, vault or env. The file store needs a key, and the vault store the address of a
Vault and a way to log in to it (tokencli help environment).`,
		`  tokencli store init file --config
  tokencli store move --to vault mollie moneybird
  tokencli store rewrap "$(age-keygen -y recovery.txt)"`,
		a.storeInitCommand(), a.storeMoveCommand(), a.storeRewrapCommand())
}

type storeInitOptions struct {
	key    string
	config bool
	asJSON bool
}

func (a *app) storeInitCommand() *cobra.Command {
	var o storeInitOptions
	c := &cobra.Command{
		Use:   "init file",
		Short: "Create the key of the file store",
		Long: `Creates the key of the file store: an age identity, in a new file that only you can read. An existing file
is never overwritten. stdout gets the lines for your shell profile; with --config, tokencli writes the two
settings to config.yaml instead, so that cron jobs and other shells find the store as well.

The key is kept beside config.yaml, apart from the state folder, so that no backup or CI cache holds both the
key and the credentials.

With TOKENCLI_FILE_PASSPHRASE no key file is needed, but each command takes over a second and 256 MiB of
memory.`,
		Example: `  tokencli store init file
  tokencli store init file --config
  tokencli store init file --key new.txt`,
		ValidArgs: []string{"file"},
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) != 1:
				return usage("which store?").WithHint("tokencli store init file")
			case args[0] == "keychain" || args[0] == "env" || args[0] == "vault":
				return usage("the %s store needs no preparation", args[0]).WithHint("tokencli store init file creates the key of the file store")
			case args[0] != "file":
				return usage("unknown store %q", redact.Scrub(args[0], 40)).WithHint("tokencli store init file")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return a.storeInitFile(cmd.Context(), o) },
	}
	c.Flags().StringVar(&o.key, "key", "", "write the key to the new file `FILE` (default key.txt beside config.yaml)")
	c.Flags().BoolVar(&o.config, "config", false, "write store and file_key to config.yaml")
	c.Flags().BoolVar(&o.asJSON, "json", false, "print JSON")
	_ = c.MarkFlagFilename("key")
	return c
}

type storeInitJSON struct {
	Store       string            `json:"store"`
	KeyFile     string            `json:"key_file"`
	PublicKey   string            `json:"public_key"`
	Environment map[string]string `json:"environment"`
}

func (a *app) storeInitFile(ctx context.Context, o storeInitOptions) error {
	dir, path := configDir(a.getenv), o.key
	switch {
	case strings.HasPrefix(path, "~"):
		return usage("write the path in full: '~' is not expanded here").WithHint("--key \"$HOME/...\"")
	case dir == "" && (path == "" || o.config):
		return usage("no place for the key: the home folder is unknown").WithHint("choose a file with --key FILE, or set TOKENCLI_CONFIG_DIR")
	case path == "":
		path = filepath.Join(dir, "key.txt")
	}
	config := filepath.Join(dir, "config.yaml")
	if o.config {
		if err := checkConfigFree(config); err != nil {
			return err
		}
	}
	path, public, err := store.InitKeyFile(path)
	if err != nil {
		return err
	}
	if o.config {
		if err := writeConfig(config, path); err != nil {
			return err
		}
	}
	switch {
	case o.asJSON:
		err = a.printJSON(storeInitJSON{
			Store: "file", KeyFile: path, PublicKey: public,
			Environment: map[string]string{account.StoreVar: "file", account.FileKey: path},
		})
	case !o.config:
		err = a.print(fmt.Sprintf("export TOKENCLI_STORE=file\nexport %s=%s\n", account.FileKey, shellQuote(path)))
	}
	if err != nil {
		return err
	}
	a.say(fmt.Sprintf("created a key in %s that only you can read; its public key is %s", path, public))
	if o.config {
		a.say(fmt.Sprintf("wrote store and file_key to %s; next: tokencli login ACCOUNT", config))
	} else {
		a.say("add these two settings to your shell profile, then run: tokencli login ACCOUNT")
	}
	a.say(fmt.Sprintf("in CI, set TOKENCLI_STORE=file, and store the content of that file as the secret %s: gh secret set %s < %s", account.FileKey, account.FileKey, shellQuote(path)))
	a.say("anyone with the key can read the logins, and nobody can without it: keep a copy in a safe place")
	a.warnOfOldKey(ctx)
	return nil
}

// checkConfigFree refuses a config.yaml that already names a store or a key: what it says must not change
// unless the user edits it.
func checkConfigFree(path string) error {
	text, err := safefile.Read(path, maxConfig, safefile.Config)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var keys map[string]any
	if err := yamlfile.Decode(text, &keys); err != nil && !errors.Is(err, yamlfile.ErrEmpty) {
		return usage("%s: %w", path, err)
	}
	for _, key := range []string{"store", "file_key"} {
		if _, ok := keys[key]; ok {
			return usage("%s already sets %s", path, key).WithHint("edit it by hand, or remove %s from it and run this again", key)
		}
	}
	if yamlfile.Decode(withFileStore(text, "key"), &configFile{}) != nil {
		return usage("%s cannot be extended: lines at its top would not belong to the settings below them", path).
			WithHint("run this without --config, and write store and file_key into the file by hand")
	}
	return nil
}

// withFileStore returns the text of config.yaml with the two settings at its top, and the rest as it is.
func withFileStore(text []byte, key string) []byte {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if first, rest, _ := bytes.Cut(text, []byte("\n")); string(bytes.TrimSpace(first)) == "---" {
		text = rest
	}
	return append(fmt.Appendf(nil, "store: file\nfile_key: '%s'\n", strings.ReplaceAll(key, "'", "''")), text...)
}

// writeConfig adds the two settings to config.yaml.
func writeConfig(path, key string) error {
	text, err := safefile.Read(path, maxConfig, safefile.Config)
	if errors.Is(err, fs.ErrNotExist) {
		return safefile.Create(path, withFileStore(nil, key))
	}
	if err != nil {
		return err
	}
	// A link stays a link: the file that it points to is replaced.
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return usage("%s cannot be read", path)
	}
	return safefile.WriteAtomic(path, withFileStore(text, key))
}

// warnOfOldKey tells of logins that were encrypted with another key, which the new one cannot decrypt.
func (a *app) warnOfOldKey(ctx context.Context) {
	s, err := a.open(func(o *session.Options) { o.Store = "file" })
	if err != nil {
		return
	}
	if names, err := s.Accounts(ctx); err == nil && len(names) > 0 {
		a.say(fmt.Sprintf("warning: another key encrypts %s: to change it, put the new key before the old one in one file, set %s to that, and run tokencli store rewrap",
			count(len(names), "login"), account.FileKey))
	}
}

func (a *app) storeRewrapCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rewrap [RECIPIENT...]",
		Short: "Encrypt all logins of the file store again, also to a recovery key",
		Long: `Encrypts every login in the file store again: to the first key in the file that TOKENCLI_FILE_KEY names, and
to each RECIPIENT (age1...), the public key of a recovery key or of another machine. The recipients are added
to the key file, so later writes use them as well; to drop one, delete its line there and run this again.

Use it, too, after a change of key: put the new key before the old one in the key file.

If a login cannot be decrypted, nothing is changed (exit 7).`,
		Example: `  tokencli store rewrap
  tokencli store rewrap "$(age-keygen -y recovery.txt)"`,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.storeRewrap(cmd.Context(), args) },
	}
}

func (a *app) storeRewrap(ctx context.Context, recipients []string) error {
	f, err := a.fileStore()
	if err != nil {
		return err
	}
	if len(recipients) > 0 {
		// Nothing is added unless every login can be encrypted again.
		if err := f.Readable(ctx); err != nil {
			return err
		}
		if err := f.AddRecipients(recipients); err != nil {
			return err
		}
		if f, err = a.fileStore(); err != nil {
			return err
		}
	}
	names, err := f.Rewrap(ctx)
	if err != nil {
		return err
	}
	to, err := f.Recipients()
	if err != nil {
		return err
	}
	text := fmt.Sprintf("encrypted %s again", count(len(names), "login"))
	if len(to) > 0 {
		text += ", to " + strings.Join(to, " and ")
	}
	a.say(text)
	return nil
}

// fileStore opens the file store, whichever store is in use.
func (a *app) fileStore() (*store.File, error) {
	s, err := a.open(func(o *session.Options) { o.Store = "file" })
	if err != nil {
		return nil, err
	}
	return s.Store.(*store.File), nil
}

func (a *app) storeMoveCommand() *cobra.Command {
	var to string
	c := &cobra.Command{
		Use:   "move --to STORE ACCOUNT...",
		Short: "Move logins to another store",
		Long: `Moves logins from the store in use to another one: keychain, file or vault. A login is in one store at a time:
the old record is marked, the new one is written and read back, and a pointer without tokens is left. On the
pointer, token, refresh and revoke exit with 4 and name the new store; revoke --local removes it.

If the other store already holds another login of the account, nothing is changed (exit 2). A move that was
interrupted is finished by running it again.`,
		Example: "  tokencli store move --to vault mollie moneybird",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 || to == "" {
				return usage("which account, and to which store?").WithHint("tokencli store move --to vault ACCOUNT")
			}
			_, err := parseAccounts(args)
			return err
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.storeMove(cmd.Context(), to, args) },
	}
	c.Flags().StringVar(&to, "to", "", "move the logins to `STORE`: keychain, file or vault")
	return c
}

func (a *app) storeMove(ctx context.Context, to string, args []string) error {
	names, err := parseAccounts(args)
	if err != nil {
		return err
	}
	from, err := a.open()
	if err != nil {
		return err
	}
	target, err := a.open(func(o *session.Options) { o.Store = to })
	if err != nil {
		return err
	}
	var first error
	for _, name := range names {
		if err := from.Move(ctx, target, name); err != nil {
			first = a.reportAndContinue(first, err)
		}
	}
	return first
}
