//go:build unix

package acceptance

import (
	"os"
	"strings"
	"testing"
)

// TestCompletionInShells presses Tab in each shell, on a real terminal: with accounts, providers, scopes and help topics.
func TestCompletionInShells(t *testing.T) {
	needs(t, "tmux", "bash", "zsh", "fish")
	const bashCompletion = "/usr/share/bash-completion/bash_completion"
	if _, err := os.Stat(bashCompletion); err != nil {
		t.Skipf("needs bash-completion: %v", err)
	}
	for name, start := range map[string][]string{
		"bash":                      {"bash --norc", `source <(tokencli completion bash)`},
		"bash with bash-completion": {"bash --norc", "source " + bashCompletion, `source <(tokencli completion bash)`},
		"zsh":                       {"zsh -f", "PS1='$ '; autoload -U compinit; compinit -u -D", `source <(tokencli completion zsh)`},
		"fish":                      {"fish --no-config", `function fish_prompt; printf '$ '; end`, `tokencli completion fish | source`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			screen := startTerminal(t, s)
			for _, label := range []string{"shop-a", "shop-b"} {
				screen.enter("echo live_" + strings.Repeat("x", 30) + " | tokencli login mollie/" + label + " --with-token --quiet; echo " + label + " $?")
				screen.await(label + " 0")
			}
			for typed, want := range map[string]string{
				"tokencli exec mollie/shop-":        "Mollie, valid",
				"tokencli login mo":                 "Moloni ON",
				"tokencli login mollie --scope org": "--scope organizations.read",
				"tokencli help exit":                "tokencli help exit-codes",
			} {
				screen := startTerminal(t, s) // what a shell shows after Tab is never cleaned up the same way
				for _, line := range start {
					screen.enter(line)
				}
				screen.enter("clear; echo read''y")
				screen.await("ready\n")
				screen.tmux("send-keys", "-l", typed)
				screen.press("Tab")
				screen.press("Tab")
				screen.awaitThat(func(said string) bool {
					_, after, _ := strings.Cut(said, "ready\n")
					return strings.Contains(after, want)
				}, want)
			}
		})
	}
}
