// Package caps holds the capabilities: printable strings that both name an
// object and unlock it. It parses, prints and weakens them, and derives every
// key that follows from one. It is pure: no I/O, no clock, no randomness.
//
// Two families share one grammar, "URI:" + type + ":" + fields:
//
//   - Truckee's own, generation 3 (formats.md 1): DIR3, MUT3, FILE3, DIR3-IMM;
//   - Tahoe-LAFS's own (LIT, CHK, SSK, MDMF, DIR2 and their weaker forms),
//     which mean here exactly what they mean there. Sources: Tahoe-LAFS's
//     documents specifications/uri.rst and specifications/mutable.rst, and the
//     behaviour of release 1.20.
//
// Anything else is a capability of the future: an Unknown, carried as it is.
//
// # Authority is a type
//
// Write, Read and Verify are three types, and methods lead only from the
// stronger to the weaker: Write.Read, Read.Verify. Nothing leads back, not
// even a conversion, since their fields differ. What the object is (a literal,
// an immutable file, a slot, ...) is a value, see Form. Parse gives a Cap,
// which is one of the three, or Unknown.
//
// # Secrets stay inside
//
// No formatting verb, JSON, slog handler or error shows a key or a
// capability: what is secret lies behind a function value, which no printer
// follows, and every type that holds one prints a placeholder, such as cap(read SDMF directory i5nhq74z). Two methods give
// the secret out, Reveal (of a capability) and Raw (of a Key); the packages
// that may call them are listed in the module's architecture test. The key
// types can't be compared with ==; Equal takes the same time for every key.
package caps
