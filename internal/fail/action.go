package fail

// Action is what a user can do about a failure. It says what to do, not how to type it: cmd/hints.go has
// a sentence for each, and a test holds the two together. The comment of each constant names its subjects
// (the arguments of Advise).
type Action int

// The actions.
const (
	// DoLogIn: log in to the account [account].
	DoLogIn Action = iota + 1

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
	// DoCheckNetwork: check the network connection.
	DoCheckNetwork
	// DoCheckProxy: check the proxy settings.
	DoCheckProxy
	// DoSetCertificates: set the variable to a file with certificates, or unset it [variable].
	DoSetCertificates
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
	// DoChooseProvider: name one of the providers [names], or add a definition [path].
	DoChooseProvider
	// DoShowProvider: see what the definition of the provider [name] says.
	DoShowProvider

	// Actions counts the actions and is none itself.
	Actions
)
