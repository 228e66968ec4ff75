// Package wire is the packet codec of SFTP version 3: the numbers, a decoder
// that aliases the bytes it reads, and append functions that write.
//
// A packet is
//
//	uint32  length        of what follows
//	byte    type
//	uint32  request-id    (absent in INIT and VERSION)
//	...     fields of the type
//
// Integers are big endian; a string is a uint32 length and that many bytes.
// Sources: draft-ietf-secsh-filexfer-02, and OpenSSH's PROTOCOL for the
// extensions. The package knows no files and no connection; it never allocates
// by a length that the peer names.
package wire

// Version is the protocol version that both sides speak.
const Version = 3

const (
	// LengthSize is the size of the length field before every packet.
	LengthSize = 4
	// HeaderSize is the size of type and request id.
	HeaderSize = 5
	// MaxPacket is the largest packet accepted, and announced in
	// limits@openssh.com: 256 KiB without the length field, as OpenSSH's.
	MaxPacket = 256 << 10
	// MaxData is the most that one READ returns and one WRITE carries, as
	// announced: 255 KiB, which leaves room for the other fields.
	MaxData = MaxPacket - 1024
)

// Type is the type byte of a packet (filexfer-02, section 3).
type Type byte

// The packet types. Names without a response suffix are requests.
const (
	Init          Type = 1
	VersionReply  Type = 2
	Open          Type = 3
	Close         Type = 4
	Read          Type = 5
	Write         Type = 6
	Lstat         Type = 7
	Fstat         Type = 8
	Setstat       Type = 9
	Fsetstat      Type = 10
	Opendir       Type = 11
	Readdir       Type = 12
	Remove        Type = 13
	Mkdir         Type = 14
	Rmdir         Type = 15
	Realpath      Type = 16
	Stat          Type = 17
	Rename        Type = 18
	Readlink      Type = 19
	Symlink       Type = 20
	StatusReply   Type = 101
	HandleReply   Type = 102
	DataReply     Type = 103
	NameReply     Type = 104
	AttrsReply    Type = 105
	Extended      Type = 200
	ExtendedReply Type = 201
)

// Status is the code of a STATUS reply (filexfer-02, section 7).
type Status uint32

// The status codes of version 3.
const (
	OK               Status = 0
	EOF              Status = 1
	NoSuchFile       Status = 2
	PermissionDenied Status = 3
	Failure          Status = 4
	BadMessage       Status = 5
	NoConnection     Status = 6
	ConnectionLost   Status = 7
	OpUnsupported    Status = 8
)

// The flags of OPEN (filexfer-02, section 6.3).
const (
	FlagRead   uint32 = 0x01
	FlagWrite  uint32 = 0x02
	FlagAppend uint32 = 0x04
	FlagCreate uint32 = 0x08
	FlagTrunc  uint32 = 0x10
	FlagExcl   uint32 = 0x20
)

// The names of the extensions that are spoken here, each with the version that
// belongs to it: OpenSSH's (its PROTOCOL, section 4), the two of
// draft-ietf-secsh-filexfer-extensions-00 that clients of version 3 use
// (copy-data, home-directory), and check-file of filexfer-13, section 9.1.2,
// in the forms that clients have made of it.
const (
	ExtPosixRename     = "posix-rename@openssh.com"       // "1"
	ExtStatVFS         = "statvfs@openssh.com"            // "2"
	ExtFStatVFS        = "fstatvfs@openssh.com"           // "2"
	ExtHardlink        = "hardlink@openssh.com"           // "1"
	ExtFsync           = "fsync@openssh.com"              // "1"
	ExtLsetstat        = "lsetstat@openssh.com"           // "1"
	ExtLimits          = "limits@openssh.com"             // "1"
	ExtExpandPath      = "expand-path@openssh.com"        // "1"
	ExtCopyData        = "copy-data"                      // "1"
	ExtHomeDirectory   = "home-directory"                 // "1"
	ExtUsersGroupsByID = "users-groups-by-id@openssh.com" // "1"
	ExtCheckFile       = "check-file"                     // "1"
	ExtCheckFileHandle = "check-file-handle"              // "1"
	ExtCheckFileName   = "check-file-name"                // "1"
)

// The bits of f_flag in a statvfs reply.
const (
	StatVFSReadOnly uint64 = 1
	StatVFSNoSUID   uint64 = 2
)

// names of the requests, as logs show them.
var names = [...]string{
	Init: "INIT", Open: "OPEN", Close: "CLOSE", Read: "READ", Write: "WRITE", Lstat: "LSTAT",
	Fstat: "FSTAT", Setstat: "SETSTAT", Fsetstat: "FSETSTAT", Opendir: "OPENDIR",
	Readdir: "READDIR", Remove: "REMOVE", Mkdir: "MKDIR", Rmdir: "RMDIR", Realpath: "REALPATH",
	Stat: "STAT", Rename: "RENAME", Readlink: "READLINK", Symlink: "SYMLINK",
	Extended: "EXTENDED",
}

// String gives the request's name in the draft, without SSH_FXP_.
func (t Type) String() string {
	if int(t) < len(names) && names[t] != "" {
		return names[t]
	}
	return "UNKNOWN"
}
