package cmd

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/session"
)

func (a *app) storeCommand() *cobra.Command {
	return group("store", "Prepare a place to keep credentials",
		`Credentials are kept in the operating system's keychain unless TOKENCLI_STORE (or store in config.yaml)
names another store. The keychain and the env store need no preparation; the file store needs a key.`,
		"  tokencli store init file",
		a.storeInitCommand())
}

func (a *app) storeInitCommand() *cobra.Command {
	var (
		key    string
		asJSON bool
	)
	c := &cobra.Command{
		Use:   "init file",
		Short: "Make the key of the file store",
		Long: `Makes the key of the file store: an age identity, in a file that only you can read. A file that is there is
never overwritten. stdout gets the lines for your shell profile, stderr says what else to do.

The key lies beside config.yaml, away from the state folder, which holds what it opens: a backup, or the
cache of a CI system, that holds the one should not hold the other.

TOKENCLI_FILE_PASSPHRASE does without a key file, but costs over a second and 256 MiB of memory a call.`,
		Example: `  tokencli store init file
  tokencli store init file --key new.txt`,
		ValidArgs: []string{"file"},
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) != 1:
				return usage("name the store to prepare").WithHint("tokencli store init file")
			case args[0] == "keychain" || args[0] == "env":
				return usage("the %s store needs no preparation", args[0]).WithHint("tokencli store init file makes the key of the file store")
			case args[0] != "file":
				return usage("there is no store %q", redact.Scrub(args[0], 40)).WithHint("tokencli store init file")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return a.storeInitFile(cmd.Context(), key, asJSON) },
	}
	c.Flags().StringVar(&key, "key", "", "the file to write the key to (default key.txt beside config.yaml)")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	_ = c.MarkFlagFilename("key")
	return c
}

type storeInitJSON struct {
	Store       string            `json:"store"`
	KeyFile     string            `json:"key_file"`
	PublicKey   string            `json:"public_key"`
	Environment map[string]string `json:"environment"`
}

func (a *app) storeInitFile(ctx context.Context, path string, asJSON bool) error {
	switch {
	case strings.HasPrefix(path, "~"):
		return usage("write the path in full: a '~' is not expanded here").WithHint("--key \"$HOME/...\"")
	case path == "":
		dir := configDir(a.getenv)
		if dir == "" {
			return usage("there is no place for the key: no home folder is known").WithHint("name one with --key PATH")
		}
		path = filepath.Join(dir, "key.txt")
	}
	path, public, err := session.InitKeyFile(path)
	if err != nil {
		return err
	}
	if asJSON {
		err = a.printJSON(storeInitJSON{
			Store: "file", KeyFile: path, PublicKey: public,
			Environment: map[string]string{"TOKENCLI_STORE": "file", account.FileKey: path},
		})
	} else {
		err = a.print(fmt.Sprintf("export TOKENCLI_STORE=file\nexport %s=%s\n", account.FileKey, shellQuote(path)))
	}
	if err != nil {
		return err
	}
	a.say(fmt.Sprintf("made a key in %s; only you can read it; its public key is %s", path, public))
	a.say("put the two settings into your shell profile, then: tokencli login ACCOUNT")
	a.say(fmt.Sprintf("in CI, set TOKENCLI_STORE=file, and %s to the text of that file, as a secret: gh secret set %s < %s", account.FileKey, account.FileKey, shellQuote(path)))
	a.say("whoever has the key can read the logins, and without it nobody can: keep a copy in a safe place")
	a.warnOfOldKey(ctx)
	return nil
}

// warnOfOldKey tells of logins that were closed with another key, which the new one does not open.
func (a *app) warnOfOldKey(ctx context.Context) {
	s, err := a.open(func(o *session.Options) { o.Store = "file" })
	if err != nil {
		return
	}
	if names, err := s.Accounts(ctx); err == nil && len(names) > 0 {
		kept := "1 login is"
		if len(names) > 1 {
			kept = fmt.Sprintf("%d logins are", len(names))
		}
		a.say("warning: " + kept + " kept already, under another key: to change it, put the text of the new key before the old one in one file, and name that")
	}
}
