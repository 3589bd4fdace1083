package cmd

import (
	"fmt"

	"github.com/tokencli/tokencli/internal/fail"
)

const anotherStore = "without a keychain, set TOKENCLI_STORE=file (`tokencli store init file` makes its key) or, in CI, TOKENCLI_STORE=env"

// hints render what the user can do about a failure (fail.Action). The verbs take the subjects of the
// action in their order.
var hints = [fail.Actions]string{
	fail.DoLogIn:                 "tokencli login %s",
	fail.DoNameAccount:           "an account is PROVIDER or PROVIDER/NAME: lower-case letters, digits, '.', '_' and '-', at most 64 characters each",
	fail.DoChooseOther:           "set TOKENCLI_STORE=%s, or store in config.yaml, if that one is meant",
	fail.DoSpeedUpKeychain:       "find out what slows the keychain down; TOKENCLI_STORE=file is an encrypted file with a key of its own",
	fail.DoUseKey:                "a passphrase is slow on purpose, so that it is hard to guess; a key is not (`tokencli store init file`)",
	fail.DoRetryImport:           "%stokencli token %s > /dev/null imports it once the store is writable",
	fail.DoSetBackOrDelete:       "%s, or `tokencli revoke --local %s` and log in there",
	fail.DoRetryRefresh:          "tokencli refresh %s, which tries the kept refresh token once",
	fail.DoCheckAgain:            "run tokencli doctor again; if it times out again, whatever it checks here hangs",
	fail.DoSeeExitCodes:          "try again; `tokencli help exit-codes` lists what may be in the way",
	fail.DoSeeEnvironment:        "see `tokencli help environment`; a variable of an account needs a known provider, see `tokencli provider list`",
	fail.DoSetBrowser:            "set BROWSER to an installed command, or unset it; login also takes --browser, and a pasted address",
	fail.DoSetVariable:           "set %s",
	fail.DoCopyAgain:             "copy the value of %s again, without anything before or after it",
	fail.DoRemoveCharacter:       "remove that character from %s",
	fail.DoLint:                  "tokencli provider lint %s",
	fail.DoRenameFile:            "rename %s, and change the name in it",
	fail.DoUseProvider:           "did you mean %s?",
	fail.DoChooseProvider:        "the providers are %s; a definition of your own is a file %s",
	fail.DoShowProvider:          "tokencli provider show %s",
	fail.DoCheckBaseURL:          "a redirect is never followed with a secret; if a base URL is set, check it",
	fail.DoCheckClient:           "check the client id and secret; create or view them at: %s",
	fail.DoCheckClientOrLogIn:    "check the client id and secret; create or view them at: %s; or tokencli login %s",
	fail.DoCheckNetwork:          "check the network connection, and HTTPS_PROXY if a proxy is needed",
	fail.DoCheckServer:           "make sure that a server runs at %s; if that is another machine, check the network connection and HTTPS_PROXY as well",
	fail.DoCheckProxy:            "check HTTPS_PROXY and HTTP_PROXY",
	fail.DoSetCertificates:       "set %s to a PEM file with the certificates to trust, or unset it",
	fail.DoSetCertificateFolder:  "set %s to a folder of PEM certificates, or unset it",
	fail.DoSetProxy:              "set %s to an address such as http://proxy.example:3128, or unset it",
	fail.DoTrustCertificate:      "if a proxy inspects TLS, set SSL_CERT_FILE to a file with its certificate",
	fail.DoWait:                  "try again in %s",
	fail.DoChmod:                 "chmod %s %s",
	fail.DoCheckAndChmod:         "check what is in it, then: chmod %s %s",
	fail.DoUseOwnFile:            "run tokencli as the owner of %s, or set TOKENCLI_STATE_DIR and TOKENCLI_CONFIG_DIR to folders of your own",
	fail.DoSetHome:               "set HOME, or set TOKENCLI_STATE_DIR to a folder of your own",
	fail.DoSetStateDir:           "set TOKENCLI_STATE_DIR to a folder of your own on a local disk",
	fail.DoReplaceLink:           "replace %s with the file itself: links in the state folder are not followed",
	fail.DoCheckReadable:         "make sure that %s exists and that you may read it",
	fail.DoMoveAway:              "move %s away",
	fail.DoMoveAwayOrSetStateDir: "move %s away, or set TOKENCLI_STATE_DIR to a folder of your own",
	fail.DoCheckDisk:             "make sure that %s exists, is writable and is not full",
	fail.DoShowRecipient:         "`age-keygen -y KEYFILE` prints the recipient of a key",
	fail.DoAddLines:              "add to %s, each on a line of its own: %s; then: tokencli store rewrap",
	fail.DoExtendPolicy:          "extend the policy of the token for %s: docs/team.md has the policies that tokencli needs",
	fail.DoLogInToVault:          "set VAULT_TOKEN, run `vault login`, or choose another login with TOKENCLI_VAULT_AUTH",
	fail.DoAllowIDToken:          "give the job the permission `id-token: write`",
	fail.DoCheckAssertion:        "check the client, and what the provider expects of the assertion: issuer, audience, subject",
	fail.DoCheckVault:            "check that %s is the right address and that the server runs (`vault status`)",
	fail.DoUseVaultLogin:         "run `vault login`, which writes a token for the job to ~/.vault-token, and unset %s",
	fail.DoUseLastingToken:       "use a token that lasts longer, such as a periodic one that a Vault agent extends",
	fail.DoUnseal:                "unseal it: vault operator unseal",
	fail.DoExtendVaultToken:      "run `vault login` for a new one, or let a Vault agent extend it",
	fail.DoUseVaultPolicy:        "use a token with one of the policies in docs/team.md",
	fail.DoCheckVaultRole:        "check TOKENCLI_VAULT_ROLE, what the role is bound to, and %s",
	fail.DoChooseVaultAuth:       "set %s to token, approle, jwt or kubernetes",
	fail.DoMountKV2:              "set %s to a mount of that kind, or enable one: vault secrets enable -path=%s -version=2 kv",
	fail.DoUseHTTPS:              "use https in %s",
	fail.DoInspectRecord:         "inspect it with `%s`, and delete it with `%s`",
	fail.DoUseMovedLogin:         "set TOKENCLI_STORE=%s, or make a new login here: tokencli login %s",
	fail.DoRevokeThere:           "keep that one, or end it first: TOKENCLI_STORE=%s tokencli revoke %s",
	fail.DoTryAgain:              "try again",
	fail.DoRestoreFile:           "restore %s from a backup, or delete it and log in again",
	fail.DoSetInstead:            "set %s and unset %s",
	fail.DoSetOldKey:             "set %s to the key or passphrase that it was encrypted with; if that is lost, delete %s and log in again",
	fail.DoInitFile:              "`tokencli store init file` makes a key and says what to set",
	fail.DoWriteFullPath:         "write the path of %s in full",
	fail.DoInspectItem:           "inspect it in your keychain app or with `%s`, and delete it with `%s`",
	fail.DoUseAnotherStore:       anotherStore,
	fail.DoUnlockKeychain:        "unlock it, or run the command in a terminal of the desktop session so that it can ask you; " + anotherStore,
	fail.DoEndHolder:             "try again; if that does not help, end the tokencli process that hangs, which releases the lock",
	fail.DoGiveRedirectURI:       "give a complete address such as http://127.0.0.1:8976/callback with --redirect-uri, exactly as registered with the provider",
	fail.DoFreePort:              "end the program that listens on port %s (perhaps another login), or choose another port with --redirect-uri, one that is registered with %s",
	fail.DoChoosePort:            "choose another port with --redirect-uri, one that is registered with %s",
	fail.DoGiveCertificate:       "give both --tls-cert and --tls-key, as PEM files and the key without a passphrase, or neither: tokencli then uses a self-signed certificate",
	fail.DoPaste:                 "run `tokencli login %s` on a terminal, or write the code or the address to its standard input",
	fail.DoLogInWithMoreTime:     "run `tokencli login %s` again; --timeout gives it more time",
	fail.DoLogInLater:            "run `tokencli login %s` again later",
	fail.DoAllowAccess:           "run `tokencli login %s` again and approve access",
	fail.DoNarrowScopes:          "request only scopes that the client may have, with --scope",
	fail.DoCheckRegistration:     "check the client id, and that %s is registered for it with %s",
	fail.DoConfirmIssuer:         "if you trust it, add --yes, or write `issuer: %s` into the definition",
	fail.DoWriteIssuer:           "if you trust it, write `issuer: %s` into the definition",
	fail.DoCheckIssuer:           "the code was not used; if `tokencli login %s` fails again, check the issuer %s in the definition",
	fail.DoFollowRedirect:        "-L follows it, to another host without the token",
	fail.DoPageByVariable:        "put the page into a variable, and repeat the query with the next one",
	fail.DoRequestPages:          "request the pages one by one, as the provider's documentation says",
	fail.DoEncodePath:            "encode it, a space as %%20 and a backslash as %%5C",
	fail.DoBeginPath:             "write ./ before a path whose first part contains a colon",
	fail.DoRequestPath:           "tokencli api %s PATH",
	fail.DoRequestSmallerPages:   "request smaller pages",
	fail.DoRefreshOrLogIn:        "tokencli refresh %[1]s, or tokencli login %[1]s",
	fail.DoReplaceToken:          "create a new token at the provider, then `tokencli login %s --with-token`",
	fail.DoMapRegistry:           "add it to helpers.docker in config.yaml, e.g. helpers: {docker: {registry.example.com: gitlab}}",
	fail.DoManageLogins:          "use `tokencli login ACCOUNT` and `tokencli revoke ACCOUNT`",
	fail.DoChooseInterval:        "--every must be 1h, 2h, 3h, 4h, 6h, 8h, 12h or 24h",
	fail.DoRefreshEarlier:        "--within must be at least twice --every, such as --within 3d --every 12h",
	fail.DoUseCron:               "run this from cron: tokencli refresh --all --within 3d",
	fail.DoInstallProgram:        "put tokencli into another folder, such as ~/.local/bin, and run it from there",
	fail.DoRunByHand:             "run it by hand: %s",
	fail.DoOmitPassword:          "set %s to an address without a user name and password",
	fail.DoGivePath:              "e.g. tokencli api mollie organizations/me",

	// Logins and refreshes.
	fail.DoLogInAfterwards:          "the access token works until it expires; then tokencli login %s",
	fail.DoLogInOrEnv:               "tokencli login %s; %s counts only with TOKENCLI_STORE=env",
	fail.DoReadToken:                "tokencli login %s --with-token < FILE",
	fail.DoUseStore:                 "choose a store that can be written: TOKENCLI_STORE=keychain or TOKENCLI_STORE=file",
	fail.DoChooseStore:              "TOKENCLI_STORE is keychain, file, vault or env",
	fail.DoRevokeOther:              "choose another name, or `tokencli revoke %s` first",
	fail.DoUseOtherName:             "use another account name, such as %[1]s/NAME, or `tokencli revoke --local %[2]s` first",
	fail.DoSetClientAndURI:          "set %s; register a client at: %s; redirect URI to register: %s",
	fail.DoSetInput:                 "set it, or pass --input %[1]s=VALUE; VALUE is: %[2]s",
	fail.DoSetPassword:              "set %s and %s, or log in at a terminal",
	fail.DoCheckPassword:            "check the user name and the password",
	fail.DoSetRedirectURI:           "set it, or --redirect-uri, to the redirect URI that is registered with the client",
	fail.DoSetRedirectURIOrPassword: "set it, or --redirect-uri, to the redirect URI that is registered with the client; or use --grant password",
	fail.DoStartAgain:               "start again: tokencli login %s",
	fail.DoStartAgainWithin:         "start again: tokencli login %s (the code expires after %s)",
	fail.DoShowAccounts:             "tokencli status shows the accounts",
	fail.DoUnsetVariables:           "unset the variables, and end the login at the provider",
	fail.DoPutCommand:               "name a program in PATH, or its path, that reads the new login from its stdin",
	fail.DoLogInOrForget:            "tokencli login %[1]s, or `tokencli revoke --local %[1]s` to remove the name",
	fail.DoRestoreOrigin:            "set %[1]s or the definition back; or `tokencli revoke --local %[2]s`, then log in again",
	fail.DoSetClient:                "set %s; register a client at: %s",
	fail.DoKeepRotated:              "pass the new one to a command (TOKENCLI_ON_ROTATE), use a store that keeps it (TOKENCLI_STORE=file), set %s, or allow the loss with --discard-rotated",
	fail.DoSetRefreshToken:          "log in on a machine with a browser, and put the new refresh token into %s",
	fail.DoUseRotated:               "use the refresh token that on_rotate saved; within one job, refresh once and pass the access token on",
	fail.DoDeliverRescue:            "the new login is safe in %[1]s; run the same command again to pass it to on_rotate, or put its refresh_token into %[2]s and delete the file",
	fail.DoImportRescue:             "the new login is safe in %s; the next command that can save it imports it",
	fail.DoMoveRescue:               "move the file away; then, if the login no longer works, tokencli login %s",
	fail.DoMoveJournal:              "without it a refresh token may be sent twice: make sure that %s is the newest one, then move the file away",
	fail.DoNameProgram:              "name a program in PATH, or its path; the words after it are its arguments",
}

// hintOf returns the hint of the outermost failure in the chain of err that has one, or "".
func hintOf(err error) string {
	e := fail.Advice(err)
	switch {
	case e == nil:
		return ""
	case e.Do == 0:
		return e.Hint
	}
	subjects := make([]any, len(e.About))
	for i, subject := range e.About {
		subjects[i] = subject
	}
	return fmt.Sprintf(hints[e.Do], subjects...)
}
