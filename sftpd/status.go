package sftpd

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"unicode/utf8"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/sftpd/wire"
)

// statusOf maps every error kind to the status that SFTP version 3 has for it.
// Where the draft leaves a choice the answer is OpenSSH's for the errno of the
// same meaning: clients branch on it (an existing target is 4, a path through
// a file is 2).
var statusOf = map[kind.Kind]wire.Status{
	kind.Other:       wire.Failure,
	kind.Invalid:     wire.BadMessage,
	kind.NameInvalid: wire.Failure, // not 5: rclone would retry for ever
	kind.Denied:      wire.PermissionDenied,
	kind.ReadOnly:    wire.PermissionDenied,
	kind.NotExist:    wire.NoSuchFile,
	kind.NotDir:      wire.NoSuchFile,
	kind.Exist:       wire.Failure,
	kind.IsDir:       wire.Failure,
	kind.NotEmpty:    wire.Failure,
	kind.Conflict:    wire.Failure,
	kind.TooLarge:    wire.Failure,
	kind.NoSpace:     wire.Failure,
	kind.Corrupt:     wire.Failure,
	kind.Unavailable: wire.Failure,
	kind.Unsupported: wire.OpUnsupported,
	kind.Canceled:    wire.Failure,
	kind.Closed:      wire.Failure,
	kind.Loop:        wire.Failure,

	kind.Precondition: wire.Failure, // nothing that SFTP asks for has any
}

// errnos are the texts that commands print for the kinds that a system has an
// errno for: people and scripts know them.
var errnos = map[kind.Kind]string{
	kind.Denied:      "Permission denied",
	kind.ReadOnly:    "Permission denied",
	kind.NotExist:    "No such file or directory",
	kind.NotDir:      "Not a directory",
	kind.Exist:       "File exists",
	kind.IsDir:       "Is a directory",
	kind.NotEmpty:    "Directory not empty",
	kind.TooLarge:    "File too large",
	kind.NoSpace:     "No space left on device",
	kind.Corrupt:     "Input/output error",
	kind.Unavailable: "Input/output error",
	kind.Other:       "Input/output error",
	kind.Unsupported: "Operation not supported",
	kind.NameInvalid: "Invalid file name",
	kind.Invalid:     "Invalid argument",
	kind.Loop:        "Too many levels of symbolic links",
}

// errnoText is what a command prints of an error, and nothing else of it.
func errnoText(err error) string {
	if text, ok := errnos[kind.Of(err)]; ok {
		return text
	}
	return kind.Of(err).Error()
}

// maxStatusPath bounds how much of a path a status text repeats.
const maxStatusPath = 512

// statusText is what the client is told: the kind's own text and the path as
// the client wrote it. Nothing else of an error leaves the process.
func statusText(k kind.Kind, path []byte) string {
	if len(path) == 0 {
		return k.Error()
	}
	if len(path) > maxStatusPath {
		path = path[:maxStatusPath]
	}
	p := string(path)
	if !utf8.ValidString(p) {
		p = strings.ToValidUTF8(p, "\uFFFD")
	}
	return k.Error() + ": " + p
}

// appendFailure appends the reply to a request that failed, and logs the whole
// error: of those that an operator has to see, the first of a handle, since a
// client may have sent hundreds of writes when the disk turns out to be full, and
// of all clients not too many (see complaints).
// It is safe for concurrent use.
func (s *session) appendFailure(b []byte, t wire.Type, id uint32, what []byte, h *handle, err error) []byte {
	if errors.Is(err, io.EOF) {
		return wire.AppendStatus(b, id, wire.EOF, "end of file")
	}
	k := kind.Of(err)
	s.tally.failure(t, k)
	level, text := severity(k), statusText(k, what)
	if errors.Is(err, errManyHandles) {
		level, text = slog.LevelInfo, "too many open files and directories in this session"
	}
	if level > slog.LevelDebug && h != nil && kind.Kind(h.complained.Swap(uint32(k))) == k {
		level = slog.LevelDebug
	}
	attrs := []slog.Attr{slog.String("op", t.String()), slog.Uint64("request", uint64(id)), slog.Any("error", err)}
	if level > slog.LevelDebug {
		pass, held := s.complaints.pass(k)
		if !pass {
			level = slog.LevelDebug
		}
		if held > 0 {
			attrs = append(attrs, slog.Int("held_back", held))
		}
	}
	s.log.LogAttrs(context.Background(), level, "sftp request failed", attrs...)
	return wire.AppendStatus(b, id, statusOf[k], text)
}

// severity tells what an operator has to see from what clients do all day.
func severity(k kind.Kind) slog.Level {
	switch k {
	case kind.Other, kind.Corrupt:
		return slog.LevelError
	case kind.NoSpace, kind.Unavailable:
		return slog.LevelWarn
	default:
		return slog.LevelDebug
	}
}
