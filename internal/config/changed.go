package config

import "reflect"

// Changed names the keys, as SECTION.KEY, that a and b give different values,
// and blockstore where they describe other stores.
func Changed(a, b Config) (names []string) {
	as, bs := options(&a), options(&b)
	for i, o := range as {
		if !reflect.DeepEqual(o.field.Interface(), bs[i].field.Interface()) {
			names = append(names, o.Name())
		}
		o.field.SetZero() // a and b are copies
		bs[i].field.SetZero()
	}
	if !reflect.DeepEqual(a, b) {
		names = append(names, "blockstore")
	}
	return names
}
