package provider

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// url checks the template of an address in which these placeholders have a value.
func (c *checker) url(d *Definition, path, address string, known []string) {
	if address == "" {
		c.add(path, "missing")
		return
	}
	if !c.template(path, address, known) {
		return
	}
	if err := d.checkTemplate(address); err != nil {
		c.add(path, "%s", err)
	}
}

// checkTemplate reports what is wrong with the template of an address, with the defaults of inputs and
// whatever the other values.
func (d *Definition) checkTemplate(address string) error {
	values := map[string]string{}
	for _, name := range d.Placeholders() {
		values[name] = "x"
	}
	for _, input := range d.Inputs {
		if input.Default != "" {
			values[input.Name] = input.Default
		}
	}
	scheme, authority, _ := splitTemplate(address)
	if begins := scheme == ""; begins {
		for _, name := range d.Reply.Keep {
			values[name] = "https://x.example"
		}
	}
	for _, name := range d.Callback.Keep {
		if strings.Contains(scheme+authority, "{"+name+"}") {
			return fmt.Errorf("{%s} comes from the redirect and must not be part of a host", name)
		}
	}
	_, err := d.ExpandURL(address, values)
	return err
}

// splitTemplate returns the parts of an address as templates. An address that begins with a placeholder
// has neither scheme nor authority.
func splitTemplate(address string) (scheme, authority, rest string) {
	scheme, after, ok := strings.Cut(address, "://")
	if !ok || strings.Contains(scheme, "/") {
		return "", "", address
	}
	end := strings.IndexAny(after, "/?#")
	if end < 0 {
		end = len(after)
	}
	return scheme, after[:end], after[end:]
}

// ExpandURL returns the address of an endpoint with values in the place of its placeholders. A value in
// the host must be one DNS label; everywhere else it is percent-encoded. Only a field that the token
// endpoint sent (reply.keep) may begin an address, and like every endpoint it must then be https, or http
// on this machine. Errors quote no value.
func (d *Definition) ExpandURL(address string, values map[string]string) (string, error) {
	scheme, authority, rest := splitTemplate(address)
	var start string
	switch {
	case strings.ContainsAny(scheme, "{}"):
		return "", errors.New("a placeholder must not be part of the scheme")
	case scheme != "":
		host, port, _ := strings.Cut(authority, ":")
		if strings.ContainsAny(port, "{}") && !strings.HasPrefix(authority, "[") {
			return "", errors.New("a placeholder must not be part of the port")
		}
		expanded, err := expandHost(host, values)
		if err != nil {
			return "", err
		}
		start = scheme + "://" + expanded + strings.TrimPrefix(authority, host)
	case strings.HasPrefix(rest, "{"):
		holder, after, _ := strings.Cut(rest[1:], "}")
		if !slices.Contains(d.Reply.Keep, holder) {
			return "", fmt.Errorf("{%s} must not begin an address: only a field of reply.keep may", holder)
		}
		if after != "" && after[0] != '/' && after[0] != '?' {
			return "", fmt.Errorf("a / must follow {%s} at the beginning of an address", holder)
		}
		if values[holder] == "" {
			return "", fmt.Errorf("{%s} has no value", holder)
		}
		if u, err := url.Parse(values[holder]); err != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
			return "", fmt.Errorf("{%s} is not the beginning of an address", holder)
		}
		start, rest = strings.TrimSuffix(values[holder], "/"), after
		if rest == "" {
			start = values[holder]
		}
	}
	path, query, asked := strings.Cut(rest, "?")
	end, err := Expand(path, values, url.PathEscape)
	if err == nil && asked {
		query, err = Expand(query, values, func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") })
		end += "?" + query
	}
	if err != nil {
		return "", err
	}
	for part, err := range parts(rest) {
		if err == nil && part.holder != "" && strings.Trim(values[part.holder], ".") == "" {
			// Dots alone would be taken for a step in the path (RFC 3986 5.2.4).
			return "", fmt.Errorf("{%s} has no value that fits an address", part.holder)
		}
	}
	if err := CheckURL(start + end); err != nil {
		return "", err
	}
	return start + end, nil
}

// expandHost puts values into a host. Each must be one DNS label (RFC 1123 2.1), so that none adds a
// domain.
func expandHost(host string, values map[string]string) (string, error) {
	for part, err := range parts(host) {
		if err == nil && part.holder != "" && !isLabel(values[part.holder]) {
			return "", fmt.Errorf("{%s} must be one part of a host name: letters, digits and hyphens", part.holder)
		}
	}
	return Expand(host, values, nil)
}

func isLabel(s string) bool {
	return s != "" && len(s) <= 63 && !strings.HasPrefix(s, "-") && !strings.HasSuffix(s, "-") &&
		!strings.ContainsFunc(s, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
		})
}
