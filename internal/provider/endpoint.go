package provider

import (
	"fmt"
	"maps"
	"slices"
)

// Clone copies a definition with everything that holds an address.
func (d *Definition) Clone() *Definition {
	c := *d
	if d.Authorize != nil {
		c.Authorize = new(*d.Authorize)
	}
	copied := func(r *Request) *Request {
		if r == nil {
			return nil
		}
		return new(*r)
	}
	c.Token = map[string]*Request{}
	for name, r := range d.Token {
		c.Token[name] = copied(r)
	}
	c.Revoke.Request, c.DeviceAuthorization = copied(d.Revoke.Request), copied(d.DeviceAuthorization)
	c.WhoAmI = slices.Clone(d.WhoAmI)
	return &c
}

// Addresses returns every address in the definition to which something is sent, by its path.
func (d *Definition) Addresses() map[string]*string {
	all := map[string]*string{"api.url": &d.API.URL}
	if d.Authorize != nil {
		all["authorize.url"] = &d.Authorize.URL
	}
	for _, k := range Kinds() {
		if r := d.Request(k.Path); r != nil && k.Path != "authorize" {
			all[k.Path+".url"] = &r.URL
		}
	}
	for i := range d.WhoAmI {
		all[fmt.Sprintf("whoami.%d.url", i)] = &d.WhoAmI[i].URL
	}
	maps.DeleteFunc(all, func(_ string, address *string) bool { return *address == "" })
	return all
}
