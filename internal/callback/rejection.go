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

// ofPaste returns what is said about a paste. uri is the redirect URI.
func (j rejection) ofPaste(uri string) string {
	const again = "; still waiting: paste it again"
	switch j {
	case nothing, noCode:
		return "that address has no code" + again
	case broken:
		return "that address is damaged" + again
	case repeated:
		return "that address has a parameter twice" + again
	case noState:
		return "that address has no state, so it may belong to another login; still waiting: paste the whole address"
	case wrongState:
		return "that address belongs to another login (its state differs) or is cut off; still waiting: paste the whole address of this login"
	case oddCode, control:
		return "that has characters that no address and no code has" + again
	case tooLong:
		return "that is too long" + again
	case elsewhere:
		return "that address does not match; still waiting for one that starts with " + uri
	case authorizing:
		return "that is the address to open in the browser; still waiting for the one your browser ends up on"
	case fragment:
		return "that looks like part of an address; still waiting: paste the whole address (if it is the code, paste it again)"
	case needsAddress:
		return "a code alone does not say which issuer it is from; still waiting: paste the whole address"
	default:
		return "that is neither an address nor a code" + again
	}
}

// reason says in a few words why a response from the browser was not used.
func (j rejection) reason() string {
	switch j {
	case nothing:
		return "it has no code"
	case repeated:
		return "it has a parameter twice"
	case noState:
		return "it has no state"
	case wrongState:
		return "its state belongs to another login"
	case noCode:
		return "it has no code"
	case oddCode:
		return "its code has characters that no code has"
	default:
		return "it is damaged"
	}
}

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
