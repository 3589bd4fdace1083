package provider

import "testing"

// What a refresh does before it asks, and a fresh token does not.
func BenchmarkFind(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := (Catalog{}).Find("moloni-on"); err != nil {
			b.Fatal(err)
		}
	}
}
