//go:build !unix

package acceptance

func onTerminal() { panic("no terminal of this kind on this system") }
