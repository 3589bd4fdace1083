package fail

// Action is what a user can do about a failure. It says what to do, not how to type it: cmd/hints.go has
// a sentence for each, and a test holds the two together. The comment of each constant names its subjects
// (the arguments of Advise).
type Action int

// The actions.
const (
	// DoLogIn: log in to the account [account].
	DoLogIn Action = iota + 1
	// DoLogInOrEnv: log in, or choose the store for which the variables are meant [account, variables].
	DoLogInOrEnv
	// DoReadToken: log in with a static token from stdin [account].
	DoReadToken
	// DoUseStore: choose a store that can be written.
	DoUseStore
	// DoChooseStore: use one of the stores.
	DoChooseStore
	// DoChooseOther: use the store [kind], if that one is meant.
	DoChooseOther
	// DoRevokeOther: choose another account name, or revoke the other account [account].
	DoRevokeOther
	// DoUseOtherName: use another name at the provider, or delete the account here [provider, account].
	DoUseOtherName
	// DoSetClientAndURI: set the client and register the redirect URI [variables, place, URI].
	DoSetClientAndURI
	// DoSetInput: set the variable or give the input [input, what its value is].
	DoSetInput
	// DoSetPassword: set user name and password [variable, variable].
	DoSetPassword
	// DoCheckPassword: check the user name and the password.
	DoCheckPassword
	// DoSetRedirectURI: set the redirect URI.
	DoSetRedirectURI
	// DoSetRedirectURIOrPassword: set the redirect URI, or use the password grant.
	DoSetRedirectURIOrPassword
	// DoStartAgain: log in again to the account [account].
	DoStartAgain
	// DoStartAgainWithin: log in again before the code expires [account, time].
	DoStartAgainWithin
	// DoShowAccounts: list the accounts.
	DoShowAccounts
	// DoUnsetVariables: unset the variables of the environment store.
	DoUnsetVariables
	// DoPutCommand: name a command that reads the new login.
	DoPutCommand
	// DoLogInOrForget: log in, or remove the name of the account [account].
	DoLogInOrForget
	// DoLogInAfterwards: use the access token until it expires, then log in to the account [account].
	DoLogInAfterwards
	// DoRestoreOrigin: restore the base URL [variable] or log in anew to the account [account].
	DoRestoreOrigin
	// DoSetClient: set the variables [variables] of the client, which is registered at [place].
	DoSetClient
	// DoKeepRotated: keep a new refresh token, or set the access token [variable].
	DoKeepRotated
	// DoSetRefreshToken: log in elsewhere and set the refresh token [variable].
	DoSetRefreshToken
	// DoUseRotated: use the refresh token that on_rotate saved.
	DoUseRotated
	// DoDeliverRescue: run the same command again, or set the refresh token in the file [path, variable].
	DoDeliverRescue
	// DoImportRescue: nothing; the next call imports the rescue file [path].
	DoImportRescue
	// DoMoveRescue: move the rescue file away and, if that does not help, log in to the account [account].
	DoMoveRescue
	// DoMoveJournal: make sure that the refresh token [variable] is the newest and move the journal away.
	DoMoveJournal
	// DoNameProgram: name a program that can be run.
	DoNameProgram
	// DoNameAccount: write the account's name as PROVIDER or PROVIDER/NAME.
	DoNameAccount
	// DoSetVariable: set [variables, joined by "and" and "or"].
	DoSetVariable
	// DoCopyAgain: copy the value of the setting [variable or flag] again, whole and without anything else.
	DoCopyAgain
	// DoRemoveCharacter: remove the character from the setting [variable, flag or place in a file].
	DoRemoveCharacter
	// DoCheckBaseURL: check the base URL, if one is set.
	DoCheckBaseURL
	// DoCheckClient: check the client id and secret [where clients are created].
	DoCheckClient
	// DoCheckClientOrLogIn: check the client id and secret, or log in [where clients are created, account].
	DoCheckClientOrLogIn
	// DoCheckNetwork: check the network connection.
	DoCheckNetwork
	// DoCheckServer: check that a server runs at the address [host].
	DoCheckServer
	// DoCheckProxy: check the proxy settings.
	DoCheckProxy
	// DoSetCertificates: set the variable to a file with certificates, or unset it [variable].
	DoSetCertificates
	// DoSetCertificateFolder: set the variable to a folder of certificates, or unset it [variable].
	DoSetCertificateFolder
	// DoSetProxy: set the variable to the address of a proxy, or unset it [variable].
	DoSetProxy
	// DoTrustCertificate: trust the certificate of a proxy that inspects TLS.
	DoTrustCertificate
	// DoWait: try again after a while [duration].
	DoWait
	// DoLint: check the definition in the file [path].
	DoLint
	// DoRenameFile: give the definition in the file [path], and the file, another name.
	DoRenameFile
	// DoUseProvider: the provider [name] was probably meant.
	DoUseProvider
	// DoChooseProvider: use one of the providers [names], or add a definition [path].
	DoChooseProvider
	// DoShowProvider: see what the definition of the provider [name] says.
	DoShowProvider
	// DoChmod: change the mode [mode, path].
	DoChmod
	// DoCheckAndChmod: check the content, then change the mode [mode, path].
	DoCheckAndChmod
	// DoUseOwnFile: run as the owner of [path], or use a file or folder of one's own.
	DoUseOwnFile
	// DoSetHome: set HOME, or the state folder.
	DoSetHome
	// DoSetStateDir: set the state folder to one's own folder on a local disk.
	DoSetStateDir
	// DoReplaceLink: put the file itself at [path] instead of a link.
	DoReplaceLink
	// DoCheckReadable: make sure that [path] exists and is readable.
	DoCheckReadable
	// DoMoveAway: move [path] away.
	DoMoveAway
	// DoMoveAwayOrSetStateDir: move [path] away, or set another state folder.
	DoMoveAwayOrSetStateDir
	// DoCheckDisk: make sure that the folder [path] exists, is writable and not full.
	DoCheckDisk
	// DoTryAgain: try again.
	DoTryAgain
	// DoRestoreFile: restore [path] from a backup, or delete it and log in again.
	DoRestoreFile
	// DoSetInstead: set [variable] and unset [variable].
	DoSetInstead
	// DoSetOldKey: set [variable] to the key that [path] was encrypted with, or delete the file and log in.
	DoSetOldKey
	// DoInitFile: prepare the file store, which makes a key.
	DoInitFile
	// DoWriteFullPath: write the path in [setting] in full.
	DoWriteFullPath
	// DoInspectItem: [command] shows the keychain item and [command] deletes it.
	DoInspectItem
	// DoUseAnotherStore: use another store than the keychain.
	DoUseAnotherStore
	// DoUnlockKeychain: unlock the keychain, or use another store.
	DoUnlockKeychain
	// DoEndHolder: try again, or end the process that holds the lock.
	DoEndHolder
	// DoGiveRedirectURI: give a complete redirect URI, exactly as it is registered [].
	DoGiveRedirectURI
	// DoFreePort: end the program that listens on the port, or choose another port [port, provider].
	DoFreePort
	// DoChoosePort: choose another port that is registered with the provider [provider].
	DoChoosePort
	// DoGiveCertificate: give a certificate and its key, or neither [].
	DoGiveCertificate
	// DoPaste: log in on a terminal, or write the code to standard input [account].
	DoPaste
	// DoLogInWithMoreTime: log in again, with more time if needed [account].
	DoLogInWithMoreTime
	// DoLogInLater: log in again after a while [account].
	DoLogInLater
	// DoAllowAccess: log in again and approve access [account].
	DoAllowAccess
	// DoNarrowScopes: request only scopes that the client may have [].
	DoNarrowScopes
	// DoCheckRegistration: check the client id and the registered redirect URI [redirect URI, provider].
	DoCheckRegistration
	// DoConfirmIssuer: confirm the issuer that a resource names, or write it into the definition [issuer].
	DoConfirmIssuer
	// DoWriteIssuer: write the issuer that a resource names into the definition [issuer].
	DoWriteIssuer
	// DoCheckIssuer: log in again, else check the issuer in the definition [account, issuer].
	DoCheckIssuer
	// DoFollowRedirect: allow redirects to be followed.
	DoFollowRedirect
	// DoPageByVariable: choose the page by a variable of the GraphQL query.
	DoPageByVariable
	// DoRequestPages: request the pages one by one.
	DoRequestPages
	// DoEncodePath: percent-encode the path.
	DoEncodePath
	// DoBeginPath: write ./ before a path whose first part contains a colon.
	DoBeginPath
	// DoRequestPath: request a path of the API of [provider].
	DoRequestPath
	// DoRequestSmallerPages: request smaller pages.
	DoRequestSmallerPages
	// DoRefreshOrLogIn: refresh, or log in to, the account [account].
	DoRefreshOrLogIn
	// DoReplaceToken: create a new static token at the provider and store it for the account [account].
	DoReplaceToken
	// DoShowRecipient: age-keygen -y prints the recipient of a key.
	DoShowRecipient
	// DoAddLines: add to [setting] the lines [text], then rewrap.
	DoAddLines
	// DoExtendPolicy: extend the policy of the Vault token for [path].
	DoExtendPolicy
	// DoLogInToVault: log in to Vault.
	DoLogInToVault
	// DoAllowIDToken: allow the GitHub Actions job to request an ID token.
	DoAllowIDToken
	// DoCheckAssertion: check what the assertion is for and who may use it.
	DoCheckAssertion
	// DoCheckVault: check the Vault server at [address].
	DoCheckVault
	// DoUseVaultLogin: log in to Vault so that its token is kept in a file, and unset [variable].
	DoUseVaultLogin
	// DoUseLastingToken: log in to Vault with a token that lasts longer.
	DoUseLastingToken
	// DoUnseal: unseal the Vault server.
	DoUnseal
	// DoExtendVaultToken: extend the token of Vault, or get a new one.
	DoExtendVaultToken
	// DoUseVaultPolicy: use a token of Vault with a policy for what tokencli does.
	DoUseVaultPolicy
	// DoCheckVaultRole: check the role, and [variable].
	DoCheckVaultRole
	// DoChooseVaultAuth: set [variable] to a login method of Vault.
	DoChooseVaultAuth
	// DoMountKV2: set [variable], or enable a KV engine of version 2 at [mount].
	DoMountKV2
	// DoUseHTTPS: use an https address in [variable].
	DoUseHTTPS
	// DoInspectRecord: [command] shows the record and [command] deletes it.
	DoInspectRecord

	// DoGivePath: give an account and a path of its API.
	DoGivePath
	// DoUseMovedLogin: use the store [store], or log in to [account] again.
	DoUseMovedLogin
	// DoRevokeThere: revoke the login in the store [store] of [account] first.
	DoRevokeThere

	// DoMapRegistry: name the account of the registry in the configuration.
	DoMapRegistry
	// DoManageLogins: log in and delete logins with tokencli itself.
	DoManageLogins

	// What doctor suggests.

	// DoSpeedUpKeychain: find out what slows the keychain down.
	DoSpeedUpKeychain
	// DoUseKey: use a key in the place of a passphrase.
	DoUseKey
	// DoRetryImport: use the login again, so that it is imported [setting and a space, or nothing; account].
	DoRetryImport
	// DoSetBackOrDelete: set the address back, or delete the login of the account [how to set it back, account].
	DoSetBackOrDelete
	// DoRetryRefresh: refresh the account [account] once more.
	DoRetryRefresh
	// DoCheckAgain: run the checks again.
	DoCheckAgain
	// DoSeeExitCodes: look up what may be in the way.
	DoSeeExitCodes
	// DoSeeEnvironment: look up the variables and the providers.
	DoSeeEnvironment
	// DoSetBrowser: set the variable of the browser to an installed command.
	DoSetBrowser

	// DoChooseInterval: choose a time between two runs of keepalive that divides a day.
	DoChooseInterval
	// DoRefreshEarlier: refresh logins earlier before they expire, or more often.
	DoRefreshEarlier
	// DoUseCron: have another scheduler refresh the logins.
	DoUseCron
	// DoInstallProgram: put the program into a folder for programs.
	DoInstallProgram
	// DoRunByHand: run a command of the system [command].
	DoRunByHand
	// DoOmitPassword: set the variable [variable] to an address without a user name and password.
	DoOmitPassword

	// Actions counts the actions and is none itself.
	Actions
)
