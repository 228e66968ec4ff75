package blockstore

// Member is one of the Stores that a composition is made of. Its name is what
// an operator calls it ("0", "1", …, as configured); what it is to its array
// says the record in it (formats.md 15).
type Member struct {
	Name  string
	Store Store

	// Forgets: the store loses everything when its process ends (memory). That
	// it is empty is no surprise then: its array takes it in as it is.
	Forgets bool
}
