package callback

// rejection is why a response was not used. The wait continues.
type rejection int

const (
	blank        rejection = iota // an empty line
	nothing                       // no parameter that matters
	broken                        // not readable as parameters
	repeated                      // a parameter more than once
	noState                       // no state although one is required
	wrongState                    // the state of another login
	noCode                        // the right state and no code
	oddCode                       // characters that no code has
	tooLong                       // over the bound
	control                       // control characters
	elsewhere                     // another address than the redirect URI
	authorizing                   // the address to open, pasted back
	fragment                      // a part of an address
	unclear                       // neither an address nor a code
	needsAddress                  // a bare code although the issuer has to be checked
)

const pasteAgain = "; still waiting: paste it again"

// pasteWords say why a paste was not used.
var pasteWords = [needsAddress + 1]string{
	nothing:      "that address has no code" + pasteAgain,
	noCode:       "that address has no code" + pasteAgain,
	broken:       "that address is damaged" + pasteAgain,
	repeated:     "that address has a parameter twice" + pasteAgain,
	noState:      "that address has no state, so it may belong to another login; still waiting: paste the whole address",
	wrongState:   "that address belongs to another login (its state differs) or is cut off; still waiting: paste the whole address of this login",
	oddCode:      "that has characters that no address and no code has" + pasteAgain,
	control:      "that has characters that no address and no code has" + pasteAgain,
	tooLong:      "that is too long" + pasteAgain,
	elsewhere:    "that address does not match; still waiting for one that starts with ", // the redirect URI
	authorizing:  "that is the address to open in the browser; still waiting for the one your browser ends up on",
	fragment:     "that looks like part of an address; still waiting: paste the whole address (if it is the code, paste it again)",
	unclear:      "that is neither an address nor a code" + pasteAgain,
	needsAddress: "a code alone does not say which issuer it is from; still waiting: paste the whole address",
}

// ofPaste returns what is said about a paste. uri is the redirect URI.
func (j rejection) ofPaste(uri string) string {
	if j == elsewhere {
		return pasteWords[j] + uri
	}
	return pasteWords[j]
}

// reasons say in a few words why a response from the browser was not used.
var reasons = [needsAddress + 1]string{
	nothing:    "it has no code",
	repeated:   "it has a parameter twice",
	noState:    "it has no state",
	wrongState: "its state belongs to another login",
	noCode:     "it has no code",
	oddCode:    "its code has characters that no code has",
	broken:     "it is damaged",
}

func (j rejection) reason() string { return reasons[j] }

// page returns what the browser shows about a response that was not used.
func (j rejection) page(waiting bool) page {
	p := page{Next: closeWindow}
	if waiting {
		p.Next = "The terminal is still waiting. Open the address shown there again."
	}
	switch j {
	case nothing:
		p.Heading = "No response yet"
		p.Lead = "The provider sends you back to this page after you approve access. This request carried no response."
	case noState, wrongState:
		p.Heading = "This response is not for this login"
		p.Lead = "It belongs to another login attempt (or was forged) and was ignored."
	default:
		p.Heading = "This response cannot be used"
		p.Lead = "It was refused: " + j.reason() + "."
	}
	return p
}
