package provider

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// named finds a built-in provider in an identifier or a text. The shortest name is also the beginning
// of other words, so it counts as a word of its own, in camel case too.
var named = regexp.MustCompile(`(?i:moloni|mollie|moneybird)|(?:^|[^a-zA-Z])(?i:monta)(?:[^a-zA-Z]|$)|(?:^|[^A-Z])Monta(?:[^a-z]|$)|^monta[A-Z_]`)

// Quirks are data: a product file that knows a provider by name treats it differently from one that a
// user describes. Only help texts and examples of commands may name one, and the stand-ins of the
// sandbox, which are the providers.
func TestProductCodeNamesNoProvider(t *testing.T) {
	root := filepath.Join("..", "..")
	files := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := filepath.ToSlash(strings.TrimPrefix(path, root+string(filepath.Separator)))
		switch {
		case entry.IsDir() && path != root && (outsideProduct[rel] || rel != "cmd" && rel != "internal" && !strings.HasPrefix(rel, "cmd/") && !strings.HasPrefix(rel, "internal/")):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		files++
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, found := range namesIn(file, strings.HasPrefix(rel, "cmd/")) {
			t.Errorf("%s:%d: %s", rel, fset.Position(found.Pos()).Line, text(found))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 30 {
		t.Errorf("only %d files were looked at", files)
	}
}

// outsideProduct are the folders below internal that may name providers: what stands in for them, and what
// measures and tests the product.
var outsideProduct = map[string]bool{
	"internal/sandbox": true, "internal/acceptance": true, "internal/bench": true, "internal/soak": true, "internal/tools": true,
}

func text(n ast.Node) string {
	switch n := n.(type) {
	case *ast.Ident:
		return n.Name
	case *ast.BasicLit:
		if s, err := strconv.Unquote(n.Value); err == nil {
			return s
		}
		return n.Value
	}
	return ""
}

// namesIn returns the identifiers and literals of a file that name a provider.
func namesIn(file *ast.File, isCommand bool) []ast.Node {
	var found []ast.Node
	ast.Inspect(file, func(n ast.Node) bool {
		if isCommand && isHelp(n) {
			return false
		}
		if n != nil && named.MatchString(text(n)) {
			found = append(found, n)
		}
		return true
	})
	return found
}

// isHelp reports whether a node holds nothing but words for a person: a field of a cobra command that is
// shown, a hint, or the registration of a flag or group, which is where its help stands.
func isHelp(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.KeyValueExpr:
		_, isAction := n.Key.(*ast.SelectorExpr) // the table of hints
		return (isAction || slices.Contains([]string{"short", "long", "example"}, strings.ToLower(text(n.Key)))) && isText(n.Value)
	case *ast.CallExpr:
		var name string
		switch f := n.Fun.(type) {
		case *ast.SelectorExpr:
			name = f.Sel.Name
		case *ast.Ident:
			name = f.Name
		}
		if name != "WithHint" && name != "say" && name != "group" && !strings.HasSuffix(name, "Var") && !strings.HasSuffix(name, "VarP") {
			return false
		}
		// The receiver is looked at by itself: a hint may follow any expression.
		return !slices.ContainsFunc(n.Args, func(arg ast.Expr) bool {
			_, isFunc := arg.(*ast.FuncLit)
			return isFunc
		}) && !named.MatchString(receiver(n))
	}
	return false
}

// receiver returns the texts of what a method is called on.
func receiver(call *ast.CallExpr) string {
	var parts []string
	ast.Inspect(call.Fun, func(n ast.Node) bool {
		parts = append(parts, text(n))
		return true
	})
	return strings.Join(parts, " ")
}

func isText(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.BasicLit:
		return true
	case *ast.BinaryExpr:
		return isText(e.X) && isText(e.Y)
	}
	return false
}

// A search that finds nothing anywhere would pass as well.
func TestNamesAreFoundWhereTheyMustNotBe(t *testing.T) {
	for _, tt := range []struct {
		code      string
		isCommand bool
		want      int
	}{
		{`var x = "mollie"`, false, 1},
		{`var x = "Moloni ON"`, true, 1},
		{"func isMollie() {}", false, 1},
		{"func isMonta(monta, montaQuirk int, MONTA_ID string) {}", false, 4},
		{`var x = "https://public-api.monta.com/"`, false, 1},
		{`func f() { if d.Name == "moneybird" { return } }`, true, 1},
		{"var commonTag, montage, momentary int", false, 0},
		{`var x = "montage of commontags"`, false, 0},
		{"// mollie is only named in a comment\nvar x int", false, 0},
		{"var x = C{Example: `tokencli token mollie` + `, monta`, Use: `x`}", true, 0},
		{"var x = C{Example: `tokencli token mollie`}", false, 1},
		{"var x = C{Example: quirk(`mollie`)}", true, 1},
		{"var x = C{Use: `mollie`}", true, 1},
		{"var x = usage(`x`).WithHint(`such as mollie`)", true, 0},
		{"var x = usage(`mollie`).WithHint(`such as it`)", true, 1},
		{"func init() { f.StringVar(&x, `a`, ``, `as in mollie`) }", true, 0},
		{"func init() { x.quirkOfVar(`mollie`, func() {}) }", true, 1},
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\n"+tt.code, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := namesIn(file, tt.isCommand); len(got) != tt.want {
			t.Errorf("%s: found %d, want %d", tt.code, len(got), tt.want)
		}
	}
}
