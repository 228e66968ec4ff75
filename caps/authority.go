package caps

// Authority is what a capability allows. A higher one includes the lower.
type Authority uint8

// The authorities, ascending.
const (
	AuthorityNone   Authority = iota // an unknown capability: nothing can be said
	AuthorityVerify                  // check and repair what is stored, read nothing
	AuthorityRead                    // read; of a directory, everything below it too
	AuthorityWrite                   // replace the contents
)

// String names the authority in one lower-case word.
func (a Authority) String() string {
	switch a {
	case AuthorityNone:
		return "unknown"
	case AuthorityVerify:
		return "verify"
	case AuthorityRead:
		return "read"
	case AuthorityWrite:
		return "write"
	}
	return "invalid authority"
}

// Form is how the object behind a capability is stored.
type Form uint8

// The forms. SDMF and MDMF are Tahoe-LAFS's two layouts of mutable files.
const (
	FormUnknown Form = iota // a capability of the future
	FormLiteral             // the bytes themselves: LIT, DIR2-LIT
	FormCHK                 // Tahoe-LAFS, immutable: CHK, DIR2-CHK
	FormSDMF                // Tahoe-LAFS, mutable: SSK, DIR2
	FormMDMF                // Tahoe-LAFS, mutable: MDMF, DIR2-MDMF
	FormSlot                // Truckee, mutable: DIR3, MUT3
	FormFile                // Truckee, immutable file: FILE3
	FormFrozen              // Truckee, immutable directory: DIR3-IMM
)

// String names the form.
func (f Form) String() string {
	switch f {
	case FormUnknown:
		return "unknown"
	case FormLiteral:
		return "literal"
	case FormCHK:
		return "CHK"
	case FormSDMF:
		return "SDMF"
	case FormMDMF:
		return "MDMF"
	case FormSlot:
		return "slot"
	case FormFile:
		return "tree"
	case FormFrozen:
		return "frozen"
	}
	return "invalid form"
}

// Mutable reports whether objects of this form can be replaced by the holder
// of a write capability.
func (f Form) Mutable() bool { return f == FormSDMF || f == FormMDMF || f == FormSlot }
