package cmd

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/tokencli/tokencli/internal/session"
	"github.com/tokencli/tokencli/internal/terminal"
)

// statusTable lays the accounts out so that no line is wider than the screen: the last columns, which say
// least, are left out on a narrow screen, a long name loses its middle, and scopes get lines of their own.
func statusTable(accounts []accountStatus, now time.Time, to screen) string {
	accounts = slices.Clone(accounts)
	slices.SortStableFunc(accounts, func(a, b accountStatus) int { return urgency(a, b, now) })
	rows := [][]string{{"ACCOUNT", "STATE", "TOKEN EXPIRES", "LOGIN EXPIRES", "GRANT", "STORE"}}
	for _, st := range accounts {
		rows = append(rows, []string{
			st.Account.String(), string(st.State), tokenExpires(st, now), loginExpires(st, now), shortGrant(st), st.Store,
		})
	}
	fit(rows, to.width)
	lines := strings.SplitAfter(table(rows), "\n")
	var out strings.Builder
	out.WriteString(to.paint(faint, lines[0]))
	for i, st := range accounts {
		// The state is the first word after the name that equals it.
		name := len(rows[i+1][0])
		out.WriteString(lines[i+1][:name])
		out.WriteString(strings.Replace(lines[i+1][name:], string(st.State), to.paint(stateColour(st, now), string(st.State)), 1))
		const indent = "  "
		if by := st.Refreshing; by != nil {
			out.WriteString(indent + to.paint(yellow, "refreshing on "+by.Host+" since "+by.Since.UTC().Format(time.RFC3339)) + "\n")
		}
		if len(st.Scopes) > 0 {
			for _, line := range terminal.Wrap(strings.Join(st.Scopes, " "), to.width-len(indent)) {
				out.WriteString(indent + to.paint(faint, line) + "\n")
			}
		}
	}
	return out.String()
}

// fit drops columns at the end and shortens the first column until the rows fit into the width.
func fit(rows [][]string, width int) {
	const gap, shortest, fewest = 2, 12, 4
	var others int // the width of all columns but the first
	measure := func() {
		others = 0
		for column := 1; column < len(rows[0]); column++ {
			widest := 0
			for _, row := range rows {
				widest = max(widest, terminal.Cells(row[column]))
			}
			others += gap + widest
		}
	}
	for measure(); others+shortest > width && len(rows[0]) > fewest; measure() {
		for i, row := range rows {
			rows[i] = row[:len(row)-1]
		}
	}
	for _, row := range rows {
		row[0] = shorten(row[0], max(shortest, width-others))
	}
}

// urgency orders accounts by what needs attention first: a login, then what expires soonest.
func urgency(a, b accountStatus, now time.Time) int {
	rank := func(st accountStatus) (int, time.Time) {
		expiry := st.AccessExpiresAt
		if st.Refreshes() {
			expiry = st.RefreshExpiresAt
		}
		switch {
		case st.NeedsLogin(0, now):
			return 0, time.Time{}
		case !expiry.IsZero() && !st.Grant.Mints():
			return 1, expiry
		}
		return 2, time.Time{}
	}
	rankA, expiryA := rank(a)
	rankB, expiryB := rank(b)
	return cmp.Or(cmp.Compare(rankA, rankB), expiryA.Compare(expiryB))
}

// tokenExpires is the cell for the access token: "-" if there is none, which a token without a known
// expiry is not.
func tokenExpires(st accountStatus, now time.Time) string {
	if st.AccessExpiresAt.IsZero() && st.State != session.Valid {
		return "-"
	}
	return relative(st.AccessExpiresAt, now)
}

func loginExpires(st accountStatus, now time.Time) string {
	switch {
	case st.Vanished:
		return "missing"
	case st.Ended:
		return "ended"
	case !st.RefreshExpiresAt.IsZero():
		return relative(st.RefreshExpiresAt, now)
	case st.Refreshes():
		return "no expiry"
	}
	return "-"
}

// shortGrant is the first word of the grant, or "code".
func shortGrant(st accountStatus) string {
	word, _, _ := strings.Cut(strings.TrimPrefix(string(st.Grant), "authorization_"), "_")
	return cmp.Or(word, "-")
}

func stateColour(st accountStatus, now time.Time) colour {
	switch {
	case st.NeedsLogin(0, now):
		return red
	case st.State == session.Valid:
		return green
	}
	return yellow
}
