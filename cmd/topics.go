package cmd

import "github.com/spf13/cobra"

// The help topics are commands that cannot be run: `tokencli help exit-codes`.

func exitCodesTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "exit-codes",
		Short: "What the exit codes mean",
		Long: `The exit codes are frozen; scripts may rely on them.

    0  done
    1  internal error
    2  usage: unknown flag, provider or account name, bad definition or configuration, a missing setting, the
       callback port in use, end of input where a code was to be pasted, login in the env store, login over a
       credential of another origin
    3  not logged in to that account
    4  a new login is needed: the refresh was refused, the login timed out, or the settings name another
       client or address than the stored login (nothing of it is sent)
    5  the provider refused for another reason: client, scope, consent denied
    6  the provider cannot be reached, asks to retry later or answers nonsense; trying again may help
    7  the store cannot be used (no keychain, locked, cannot be decrypted, unsafe permissions, Vault sealed,
       unreachable or forbidding it), or its lock could not be acquired
  126  exec, sandbox: the command cannot be run
  127  exec, sandbox: the command was not found
  130  interrupted; a refresh in progress is saved first. If nothing is in progress, a signal ends tokencli
       at once, which a shell shows as 130, 143 (SIGTERM) or 129 (SIGHUP)`,
	}
}

func environmentTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "environment",
		Short: "The environment variables that tokencli reads",
		Long: `<PROVIDER> is the provider's name in upper case with - and . as _ (TOKENCLI_MOLONI_ON_CLIENT_ID). A
named account has two underscores before its name (TOKENCLI_MOLLIE__SHOP_B_CLIENT_ID); at login its client
id, secret, key, redirect URI and scopes fall back to the provider's own.

  TOKENCLI_STORE                      keychain (default), file, vault, or env: nothing is kept, and
                                      tokens come from the variables below
  TOKENCLI_CONFIG_DIR                 the folder of config.yaml and providers/*.yaml
  TOKENCLI_STATE_DIR                  the folder of locks, account names and encrypted files
  TOKENCLI_<PROVIDER>_CLIENT_ID       the client that you registered with the provider
  TOKENCLI_<PROVIDER>_CLIENT_SECRET   its secret
  TOKENCLI_<PROVIDER>_CLIENT_KEY      its private key (PEM or JWK) or the path of a file with it, where the
                                      definition has client_auth: private_key_jwt
  TOKENCLI_<PROVIDER>_REDIRECT_URI    its redirect URI, exactly as registered
  TOKENCLI_<PROVIDER>_SCOPES          scopes, separated by spaces or commas
  TOKENCLI_<PROVIDER>_USERNAME        for the password grant
  TOKENCLI_<PROVIDER>_PASSWORD        for the password grant; never stored
  TOKENCLI_<PROVIDER>_ACCESS_TOKEN    the token itself; only with TOKENCLI_STORE=env
  TOKENCLI_<PROVIDER>_REFRESH_TOKEN   its refresh token; only with TOKENCLI_STORE=env
  TOKENCLI_<PROVIDER>_ASSERTION       a JWT to exchange for a token, for a definition with
                                      assertion: {from: env}; never stored
  TOKENCLI_<PROVIDER>_INPUT_<NAME>    an input of a definition of your own, such as the name of a shop
  TOKENCLI_<PROVIDER>_ACCOUNT         the account that the bare provider name means where a token is used:
                                      with TOKENCLI_MOLLIE_ACCOUNT=shop-b, mollie is mollie/shop-b
  TOKENCLI_<PROVIDER>_BASE_URL        replaces the scheme and host of every endpoint; its path goes
                                      before theirs
  TOKENCLI_FILE_KEY                   the key of the file store (an age identity), or the path of its file
  TOKENCLI_FILE_PASSPHRASE            a passphrase instead of a key (over 1 s per call)
  TOKENCLI_ON_ROTATE                  for the env store: the command that gets a new refresh token, as words
                                      separated by spaces or as a JSON array; no shell reads it
  TOKENCLI_OUTPUT                     the default of token --output
  TOKENCLI_DEBUG=http                 print requests and answers to stderr, with secrets masked
  BROWSER, COLUMNS, NO_COLOR, HTTPS_PROXY, SSL_CERT_FILE   standard meaning

The vault store reads VAULT_ADDR, VAULT_TOKEN, VAULT_NAMESPACE, VAULT_CACERT, VAULT_CAPATH, VAULT_CLIENT_CERT
and VAULT_CLIENT_KEY, which mean the same as for Vault's own command, and these:

  TOKENCLI_VAULT_MOUNT, TOKENCLI_VAULT_PATH       where the logins are (default secret and tokencli)
  TOKENCLI_VAULT_AUTH                             token (default), approle, jwt or kubernetes
  TOKENCLI_VAULT_AUTH_MOUNT, TOKENCLI_VAULT_ROLE  the mount and the role of that method
  TOKENCLI_VAULT_ROLE_ID, TOKENCLI_VAULT_SECRET_ID   for approle
  TOKENCLI_VAULT_JWT, TOKENCLI_VAULT_JWT_AUDIENCE    for jwt: the token, or the audience of the ID token that
                                                     GitHub Actions issues`,
	}
}
