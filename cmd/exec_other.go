//go:build !unix

package cmd

// become runs the command as a child, because a process cannot be replaced here.
func (a *app) become(path string, command, environ []string) error {
	return a.runChild(path, command, environ)
}
