package cmd

import "github.com/spf13/cobra"

// Tree returns the commands of tokencli, for a program that writes documentation from them.
func Tree(version string) *cobra.Command { return newApp(version).root() }
