package cmd

import (
	"github.com/spf13/cobra"
)

func (a *app) providerAddCommand() *cobra.Command {
	var issuer, resource string
	c := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a provider by its address",
		Long: `Writes a definition NAME.yaml to the folder providers beside config.yaml. A server that publishes its metadata
needs only its address: --issuer for an authorization server (RFC 8414, OpenID Connect), --resource for a
protected resource such as an MCP server (RFC 9728). An existing file is never overwritten.`,
		Example: `  tokencli provider add acme --issuer https://login.acme.example
  tokencli provider add acme-mcp --resource https://mcp.acme.example/mcp`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) != 1:
				return usage("name the provider")
			case (issuer == "") == (resource == ""):
				return usage("give either --issuer or --resource")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := a.open()
			if err != nil {
				return err
			}
			if s.Catalog.Dir == "" {
				return usage("no place for the definition: the home folder is unknown").WithHint("set HOME, or set TOKENCLI_CONFIG_DIR to a folder of your own")
			}
			word, address := "issuer", issuer
			if resource != "" {
				word, address = "resource", resource
			}
			path, err := s.Catalog.Add(args[0], word, address)
			if err != nil {
				return err
			}
			a.say("wrote " + path + "; next: tokencli login " + args[0])
			return nil
		},
	}
	c.Flags().StringVar(&issuer, "issuer", "", "issuer `URL` of the authorization server")
	c.Flags().StringVar(&resource, "resource", "", "`URL` of the protected resource")
	return c
}

func (a *app) providerSchemaCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of a definition",
		Long: `Prints the JSON Schema (draft 2020-12) of a definition. An editor with a YAML language server completes and
checks definitions with it.`,
		Example: "  tokencli provider schema",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			s, err := a.open()
			if err != nil {
				return err
			}
			return a.print(s.Catalog.Schema())
		},
	}
	c.Flags().Bool("json", false, "print JSON, which a schema always is")
	return c
}
