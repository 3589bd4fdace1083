//go:build linux

package acceptance

import (
	"context"
	"slices"
	"strings"
	"testing"
)

// A server on disk, over TLS, is restarted and unsealed between a login, a token and a refresh. The certificate
// is trusted because VAULT_CACERT names it, and for no other reason.
func TestVaultOnDisk(t *testing.T) {
	t.Parallel()
	tm := newDiskTeam(t)
	direct := "VAULT_ADDR=" + tm.vault.address // not through the gate
	first := tm.token("m1", direct)
	if first.exit != 0 || first.stdout != tm.record["access_token"] {
		t.Fatalf("after the login: %+v", first)
	}
	if got := tm.token("m1", direct, "VAULT_CACERT="); got.exit != 7 || !strings.Contains(got.stderr, "certificate") {
		t.Errorf("without the CA: %+v", got)
	}
	tm.vault.kill()
	if got := tm.token("m1", direct); got.exit != 7 || !strings.Contains(got.stderr, "cannot be reached: ") {
		t.Errorf("without a server: %+v", got)
	}
	if err := tm.vault.start(); err != nil {
		t.Fatal(err)
	}
	if got := tm.token("m1", direct); got.exit != 7 || !strings.Contains(got.stderr, " is sealed") {
		t.Errorf("sealed after a restart: %+v", got)
	}
	if err := tm.vault.unseal(); err != nil {
		t.Fatal(err)
	}
	if got := tm.token("m1", direct); got.exit != 0 || got.stdout != first.stdout {
		t.Errorf("after unsealing: %+v", got)
	}
	tm.expire()
	refreshed := tm.token("m1", direct)
	if refreshed.exit != 0 || refreshed.stdout == first.stdout {
		t.Fatalf("refresh: %+v", refreshed)
	}
	tm.vault.kill()
	if err := tm.vault.restart(); err != nil {
		t.Fatal(err)
	}
	if got := tm.token("m2", direct); got.exit != 0 || got.stdout != refreshed.stdout {
		t.Errorf("after another restart: %+v", got)
	}
	for _, args := range [][]string{{"refresh", "moloni-on"}, {"login", "moloni-on"}, {"refresh", "moloni-on"}} {
		if got := tm.run("m2", args, direct); got.exit != 0 {
			t.Errorf("%q: %+v", args, got)
		}
	}
	if got := tm.tally(); got != (tally{sent: 3, spent: 3}) {
		t.Error(got)
	}
	if rescues := tm.mustKeepNothing(); rescues != nil {
		t.Errorf("rescue files: %q", rescues)
	}
}

// A login whose code was exchanged when Vault is sealed is in a rescue file, which the next run imports.
func TestVaultSealedAtLogin(t *testing.T) {
	t.Parallel()
	tm := newDiskTeam(t)
	login := []string{"login", "moloni-on"}
	tm.gate.arm(plan{})
	if got := tm.run("m1", login); got.exit != 0 {
		t.Fatalf("%+v", got)
	}
	exchanged := moment{1 + slices.Index(tm.gate.requests(), tokenRequest), true}
	tm.gate.arm(plan{at: exchanged, act: func(context.Context) { tm.check(tm.vault.seal()) }})
	if got := tm.run("m1", login); got.exit != 7 || !strings.Contains(got.stderr, " is sealed") {
		t.Errorf("%+v", got)
	}
	tm.check(tm.vault.unseal())
	if rescues := tm.mustKeepNothing(); len(rescues) != 1 {
		t.Errorf("rescue files %q", rescues)
	}
	old := tm.read("moloni-on")["access_token"]
	tm.mustAgree("afterwards", slices.Concat(tm.crowd("m1"), tm.crowd("m2")))
	if tm.read("moloni-on")["access_token"] == old {
		t.Error("the rescue file was not imported")
	}
	if rescues := tm.mustKeepNothing(); rescues != nil {
		t.Errorf("rescue files %q", rescues)
	}
}
