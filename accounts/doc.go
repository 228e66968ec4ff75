// Package accounts says who may log in, by what proof, and to which root
// capability. It knows no protocol: frontends bring a name and a credential and
// are given an account or kind.Denied.
//
// # The accounts file
//
// UTF-8 text, a login a line, words separated by white space; blank lines and
// lines that begin with # are comments. Tahoe-LAFS's two forms, with words of
// the form key=value allowed after the capability:
//
//	NAME PASSWORD ROOTCAP [OPTION=VALUE ...]
//	NAME KEYTYPE KEY [COMMENT ...] ROOTCAP [OPTION=VALUE ...]
//
// and one of ours, for S3:
//
//	NAME s3-key ACCESSKEYID SECRET ROOTCAP [OPTION=VALUE ...]
//
// NAME is 1 to 128 bytes without control characters and ':'. PASSWORD is an
// argon2id hash ($argon2id$v=19$m=...,t=...,p=...$salt$hash), a bcrypt hash
// ($2a$, $2b$ or $2y$), or, as in Tahoe-LAFS, the password itself, which is
// warned about. A word of the form $scheme$ of any other scheme is an error, so
// that no hash is ever taken for a password. A word that begins with ssh-,
// ecdsa- or sk- is a KEYTYPE, never a password: all of OpenSSH's plain key types
// but DSA, RSA from 2048 bits. ACCESSKEYID has 3 to 128 letters, digits, '.', '_' and
// '-', and stands in one line of the file; SECRET, 8 to 128 bytes of ASCII, stands
// there as it is, since S3's signatures are made with it. ROOTCAP is a read or write capability of a directory.
//
// A name may have several lines, any number of keys of either kind and one password,
// if all lines carry the same ROOTCAP. An option holds for logins by its own line; its
// VALUE is UTF-8 in which %XX stands for the byte XX, so that it can hold white
// space. Options of this version:
//
//	readonly=yes|no    logins by this line get the root's read capability (default no)
//	from=LIST          only from these addresses: networks with commas between, ! takes out
//	expires=TIME       no login from then on: RFC 3339, or OpenSSH's YYYYMMDD[HHMM[SS]][Z]
//	also=password|key  on a key's line: the password must follow; on a password's: after such a key only
//	sessions=N         connections of the account at a time
//	handles=N          open files and directories of a channel
//	rate=UP[/DOWN]     bytes a second of all the account's connections
//	quota=BYTES        what all files that were written through the root may have, each by its size
//	files=N            how many files, directories and links there may be of those
//	dedup=account|no   equal chunks of the account are stored once (formats.md 6; default no)
//	pad=4096|pow2|no   fill up the last chunk of each file, so that lengths tell less (default no)
//	touch=yes|no       an sk- key must be touched (default yes)
//	verify=yes|no      an sk- key must ask for its PIN or fingerprint (default no)
//	cert-authority=yes|no  the key signs certificates, and is itself no login (default no)
//	principals=LIST    what such a certificate may name (default: NAME)
//	disabled=yes|no    the access key counts no more (default no)
//
// Of these an access key's line takes readonly, from, expires, disabled, quota, files,
// dedup and pad. What is written into an account's buckets, by whomever, is stored
// and bounded as all lines of the account say together.
//
// A certificate logs in by an authority of its account's lines, with that line's
// limits, or by one of Options.UserCAKeys, with those of all lines together but
// access keys'; a name that has only such has no login by SSH.
//
// An unknown option is an error, so that a limit which this version doesn't know
// is never ignored. Later versions add options, never words of another form.
//
// The file must belong to the gateway's user or root and be closed to everybody
// else (mode 0600). It is read again when it changes; logins that are open go
// on, and while it is wrong the accounts read before stay in force.
//
// # Secrets
//
// No error, log record or formatting verb shows a password, a hash or a
// capability: errors name the file, the line and the word's place.
//
// # Where to look
//
// Authenticator (accounts.go) is what frontends ask, S3Keys (s3key.go) what the S3
// frontend does. File answers by a set, the accounts of one good version of the file:
// document and line parse it, option and values the words behind a capability, edit
// writes it. Proofs are in hash and gate (passwords), key, keyfile, certificate and krl.
// Chain asks an account server (server, answers) for the names that the file doesn't
// have.
package accounts
