package cmd

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/doctor"
	"github.com/tokencli/tokencli/internal/session"
)

// What `help environment` names is known to doctor, and nothing else passes for it.
func TestDoctorKnowsTheVariables(t *testing.T) {
	names := regexp.MustCompile(`TOKENCLI_(<PROVIDER>_)?[A-Z_]+(<NAME>)?`).FindAllString(environmentTopic().Long, -1)
	if len(names) < 10 {
		t.Fatalf("the topic names %q", names)
	}
	check := func(name string) []string {
		getenv := func(string) string { return "" }
		report, err := doctor.Run(t.Context(), &doctor.Input{
			Environ: []string{name + "=x"}, Getenv: getenv, Now: time.Now, Offline: true,
			Session: session.Options{Store: "memory", Getenv: getenv},
		})
		if err != nil {
			t.Fatal(err)
		}
		var texts []string
		for _, f := range report.Findings {
			if f.Check == "environment" {
				texts = append(texts, f.Text)
			}
		}
		return texts
	}
	for _, name := range names {
		name = strings.NewReplacer("<PROVIDER>", "MOLONI_ON", "<NAME>", "SHOP").Replace(name)
		if got := strings.Join(check(name), "; "); strings.Contains(got, "not a variable") {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := check("TOKENCLI_STROE"); len(got) != 1 || got[0] != "TOKENCLI_STROE is not a variable of tokencli; did you mean TOKENCLI_STORE?" {
		t.Errorf("a misspelt one: %q", got)
	}
}
