package cmd

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/session"
)

func (a *app) providerCommand() *cobra.Command {
	return group("provider", "Show and check the definitions of providers",
		`A definition says how a provider's dialect of OAuth differs from the standard. Five are built in; one of
your own is a file NAME.yaml in the folder providers beside config.yaml.`,
		`  tokencli provider list
  tokencli provider show mollie
  tokencli provider add acme --issuer https://login.acme.example`,
		a.providerListCommand(), a.providerShowCommand(), a.providerAddCommand(), a.providerLintCommand(), a.providerSchemaCommand())
}

type providerJSON struct {
	Name    string   `json:"name"`
	Title   string   `json:"title"`
	Grants  []string `json:"grants"`
	BuiltIn bool     `json:"built_in"`
	Docs    string   `json:"docs"`
	Checked string   `json:"checked"`
}

func (a *app) providerListCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the providers",
		Long:    `Lists the built-in definitions and those of your own, with the grants that each has.`,
		Example: "  tokencli provider list",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			s, err := a.open()
			if err != nil {
				return err
			}
			names, err := s.Catalog.Names()
			if err != nil {
				return err
			}
			var first error
			answers := []providerJSON{}
			rows := [][]string{{"NAME", "PROVIDER", "GRANTS", "FROM"}}
			for _, name := range names {
				d, err := s.Catalog.Find(name)
				if err != nil {
					first = a.reportAndContinue(first, err) // one bad file must not hide the others
					continue
				}
				from := "built in"
				if d.Path != "" {
					from = d.Path
				}
				answers = append(answers, providerJSON{d.Name, d.Title, d.Grants, d.Path == "", d.Docs, d.Checked})
				rows = append(rows, []string{d.Name, redact.Printable(d.Title), strings.Join(d.Grants, ", "), from})
			}
			if asJSON {
				err = a.printJSON(answers)
			} else {
				err = a.print(table(rows))
			}
			if err != nil {
				return err
			}
			return first
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func (a *app) providerShowCommand() *cobra.Command {
	var asJSON, asYAML bool
	c := &cobra.Command{
		Use:   "show NAME",
		Short: "Show what is known about a provider, and what is not",
		Long: `Shows what is known about a provider: where to register a client, how to request, use and revoke tokens, and
when they expire. What no source says is listed as unknown, with what tokencli assumes instead.`,
		Example: `  tokencli provider show mollie
  tokencli provider show moneybird --yaml`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("name one provider: tokencli provider list shows them")
			}
			return nil
		},
		ValidArgsFunction: a.completeProviders,
		RunE: func(c *cobra.Command, args []string) error {
			s, err := a.open()
			if err != nil {
				return err
			}
			source, err := s.Catalog.Source(args[0])
			if err != nil {
				return err
			}
			switch {
			case asJSON && asYAML:
				return usage("--json and --yaml name different outputs")
			case asYAML:
				return a.print(string(source))
			case asJSON:
				definition, err := written(source)
				if err != nil {
					return fail.New(fail.Usage, "%s cannot be read: %w", args[0], err)
				}
				return a.printJSON(definition)
			}
			return a.showProvider(c.Context(), s, args[0])
		},
	}
	f := c.Flags()
	f.BoolVar(&asJSON, "json", false, "print the definition as JSON")
	f.BoolVar(&asYAML, "yaml", false, "print the definition as it is written, comments included")
	return c
}

// written returns a YAML document with its dates as they are written: JSON has no dates, and the schema of a
// definition wants days.
func written(source []byte) (map[string]any, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(source, &document); err != nil {
		return nil, err
	}
	var keepDates func(*yaml.Node)
	keepDates = func(n *yaml.Node) {
		if n.Tag == "!!timestamp" {
			n.Tag = "!!str"
		}
		for _, child := range n.Content {
			keepDates(child)
		}
	}
	keepDates(&document)
	var v map[string]any
	err := document.Decode(&v)
	return v, err
}

func (a *app) showProvider(ctx context.Context, s *session.Session, name string) error {
	facts, err := s.Describe(ctx, name)
	if err != nil {
		return err
	}
	var out strings.Builder
	width := 0
	for _, f := range facts {
		width = max(width, len(f.Name))
	}
	for _, f := range facts {
		for i, value := range f.Values {
			label := f.Name
			if i > 0 {
				label = ""
			}
			fmt.Fprintf(&out, "%-*s  %s\n", width, label, redact.Printable(value))
		}
	}
	return a.print(out.String())
}

type lintJSON struct {
	File string `json:"file"`
	Line int    `json:"line"` // 0 where it concerns the file as a whole
	Text string `json:"text"`
}

func (a *app) providerLintCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "lint FILE...",
		Short:   "Check definition files",
		Long:    `Checks definition files and prints what is wrong with them, one finding per line with file and line number.`,
		Example: "  tokencli provider lint ./acme.yaml",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("name the files to check")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			bad := 0
			all := []lintJSON{}
			for _, path := range args {
				findings, err := provider.Catalog{}.Lint(path)
				if err != nil && len(args) == 1 {
					return err
				}
				if err != nil { // which must not hide the findings of the others
					a.report(err)
					bad++
				}
				for _, f := range findings {
					if asJSON {
						all = append(all, lintJSON{path, f.Line, f.Text})
						continue
					}
					if err := a.print(redact.Printable(fmt.Sprintf("%s:%s", path, f)) + "\n"); err != nil {
						return err
					}
				}
				if len(findings) > 0 {
					bad++
				}
			}
			if asJSON {
				if err := a.printJSON(all); err != nil {
					return err
				}
			}
			if bad > 0 {
				return usage("%d of %d files cannot be used", bad, len(args))
			}
			a.say("nothing is wrong")
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the findings as JSON")
	return c
}
