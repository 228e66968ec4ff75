package accounts

import "errors"

// Faults tells what is wrong with the files just now, by file and line; what
// they said before is in force meanwhile. It looks at them first.
func (f *File) Faults() []error {
	f.Refresh()
	f.mu.Lock()
	faults := []error{f.seen.wrong()}
	f.mu.Unlock()
	faults = append(faults, f.cas.wrong(), f.revoked.wrong())
	var some []error
	for _, err := range faults {
		if err != nil {
			some = append(some, err)
		}
	}
	return some
}

// wrong is why this version can't be in force.
func (v version) wrong() error {
	if v.broken != "" {
		return errors.New(v.broken)
	}
	return v.fault
}

func (f *keyFile) wrong() error {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen.wrong()
}
