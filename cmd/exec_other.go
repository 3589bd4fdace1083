//go:build !unix

package cmd

// become runs the command as a child, because this system cannot replace a process.
func (a *app) become(path string, command, environ []string) error {
	return a.runChild(path, command, environ)
}
