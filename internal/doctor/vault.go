package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/session"
)

// vault looks at the Vault server, at the token for it, and at what that may do. It reads and writes no record.
func (e *run) vault(ctx context.Context, from string) []Finding {
	const check = "store"
	e.addSecrets(e.Getenv(account.VaultToken), e.Getenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN"))
	v := e.session.Vault()
	server, err := v.Server(ctx)
	if err != nil {
		return e.vaultFails(from+": ", err)
	}
	findings := []Finding{ok(check, "%s: Vault %s at %s answers in %s", fail.Word(from), fail.Word(server.Version), server.Address, server.Took.Round(time.Millisecond))}
	if server.Ahead != 0 {
		findings = append(findings, warn(check, setClock, "this machine's clock is wrong: it is %s Vault's; Vault's clock is used", fail.Word(against(server.Ahead.Round(time.Second)))))
	}
	token, err := v.TokenState(ctx)
	if err != nil {
		return append(findings, e.vaultFails("", err)...)
	}
	findings = append(findings, vaultToken(token)...)
	names := e.names
	if len(names) == 0 {
		names = []account.Name{{Provider: "tokencli-check"}}
	}
	rights, err := v.Rights(ctx, names)
	if err != nil {
		return append(findings, e.vaultFails("", err)...)
	}
	findings = append(findings, ok(check, "the mount %s is a KV engine of version 2", rights.Mount))
	e.storeOK = true
	if err := e.otherStoreHasLogins(ctx); err != nil {
		findings = append(findings, Failed(check, err))
	}
	return append(findings, e.vaultRights(rights)...)
}

// vaultFails is a store that cannot be used.
func (e *run) vaultFails(prefix string, err error) []Finding {
	e.storeErr = err.Error()
	f := Failed("store", err)
	f.Text = prefix + f.Text
	return []Finding{f}
}

// soon is when a token of Vault needs attention.
const soon = 24 * time.Hour

// vaultToken judges the token for Vault. One that a process gets for itself may expire soon.
func vaultToken(t *session.VaultTokenState) []Finding {
	const check = "store"
	text := "the Vault token does not expire"
	switch {
	case t.Hidden:
		return []Finding{ok(check, "the lifetime of the Vault token is not known: its policies do not allow read on auth/token/lookup-self")}
	case t.Lifetime > 0 && t.Renewable:
		text = fmt.Sprintf("the Vault token expires in %s and is renewable", t.Lifetime)
	case t.Lifetime > 0:
		text = fmt.Sprintf("the Vault token expires in %s and is not renewable", t.Lifetime)
	}
	if !t.Own {
		text += "; each run logs in for one"
	}
	findings := []Finding{ok(check, "%s", fail.Word(text))}
	if t.Own && t.Lifetime > 0 && t.Lifetime < soon {
		do := fail.DoLogInToVault
		if t.Renewable {
			do = fail.DoExtendVaultToken
		}
		findings[0] = advise(warn(check, "", "%s", fail.Word(text)), do)
	}
	if t.Uses > 0 {
		findings = append(findings, advise(warn(check, "", "the Vault token can be used only %d more times", t.Uses), fail.DoLogInToVault))
	}
	if t.Root {
		findings = append(findings, advise(warn(check, "", "the Vault token has the policy root, which allows everything"), fail.DoUseVaultPolicy))
	}
	return findings
}

// vaultRights judges what the token may do with the records of the accounts. That it may only read them is the
// recommended setup of a job.
func (e *run) vaultRights(rights *session.VaultRights) []Finding {
	const check = "store"
	if rights.Hidden {
		return []Finding{advise(warn(check, "", "what the Vault token may do is not known: its policies do not allow update on sys/capabilities-self, which login needs"),
			fail.DoExtendPolicy, "sys/capabilities-self")}
	}
	var findings []Finding
	if !rights.List {
		findings = append(findings, advise(warn(check, "", "the policies of the Vault token do not allow list, so the accounts are not found"),
			fail.DoExtendPolicy, rights.Mount+"/metadata"))
	}
	var readOnly, undeletable []account.Name
	for _, r := range rights.Records {
		switch {
		case !r.Read:
			f := advise(wrong(check, fail.Store, "", "the policies of the Vault token do not allow read on %s", r.Path), fail.DoExtendPolicy, r.Path)
			findings = append(findings, f)
		case !r.Write:
			readOnly = append(readOnly, r.Account)
		case !r.Delete:
			undeletable = append(undeletable, r.Account)
		}
	}
	if len(undeletable) > 0 && len(e.names) > 0 {
		findings = append(findings, advise(warn(check, "", "the policies of the Vault token do not allow delete on the metadata of %s: revoke cannot remove these records", joined(undeletable)),
			fail.DoExtendPolicy, rights.Mount+"/metadata"))
	}
	switch {
	case len(readOnly) == len(rights.Records):
		findings = append(findings, ok(check, "the Vault token may read, but neither log in nor refresh"))
	case len(readOnly) > 0:
		findings = append(findings, ok(check, "the Vault token may read these accounts, but neither log in to them nor refresh them: %s", joined(readOnly)))
	case findings == nil:
		findings = append(findings, ok(check, "the Vault token may log in, refresh and revoke"))
	}
	return findings
}
