package sftpd

import (
	"context"
	"fmt"
	"strings"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/sftpd/wire"
)

// The root is everybody's home: there is no other directory that a client could
// mean, and nothing above it.

// expandPath answers expand-path@openssh.com: "~" and "~name" at the beginning
// of a path, for clients that let their users write it.
func (s *session) expandPath(_ context.Context, id uint32, d *wire.Decoder) ([]byte, error) {
	raw := d.Bytes()
	if d.Bad() {
		return nil, errBadFields
	}
	rest := raw
	if len(raw) > 0 && raw[0] == '~' {
		name, after, _ := strings.Cut(string(raw[1:]), "/")
		if !s.isMe(name) {
			return raw, fmt.Errorf("the home of another: %w", kind.Denied)
		}
		rest = []byte("/" + after)
	}
	return raw, s.canonical(id, rest)
}

// homeDirectory answers home-directory (filexfer-extensions-00, section 5).
func (s *session) homeDirectory(_ context.Context, id uint32, d *wire.Decoder) ([]byte, error) {
	name := d.Bytes()
	if d.Bad() {
		return nil, errBadFields
	}
	if !s.isMe(string(name)) {
		return nil, fmt.Errorf("the home of another: %w", kind.Denied)
	}
	return nil, s.canonical(id, nil)
}

// isMe reports whether a name is the account's; none is, too.
func (s *session) isMe(name string) bool { return name == "" || name == s.user }

// canonical appends the NAME reply with the absolute form of a path.
func (s *session) canonical(id uint32, raw []byte) error {
	p, err := parsePath(raw)
	if err != nil {
		return err
	}
	s.out = wire.AppendOneName(s.out, id, "/"+strings.Join(p, "/"))
	return nil
}

// usersGroups answers users-groups-by-id@openssh.com: two strings of packed ids,
// of users and groups, with two of packed names. Zero, which is what entries
// have that nobody has given to anybody, is the account; other ids are kept for
// clients and mean nothing here, so that they have no names.
func (s *session) usersGroups(_ context.Context, id uint32, d *wire.Decoder) ([]byte, error) {
	users, groups := d.Bytes(), d.Bytes()
	if d.Bad() || len(users)%4 != 0 || len(groups)%4 != 0 {
		return nil, errBadFields
	}
	// The names take 4 bytes an id, as the ids do, and the account's own.
	if n := len(users) + len(groups) + len(s.user)*zeros(users, groups); n > wire.MaxData {
		return nil, fmt.Errorf("names of %d bytes: %w", n, kind.TooLarge)
	}
	var start int
	s.out, start = wire.Begin(s.out, wire.ExtendedReply, id)
	s.out = wire.AppendString(s.out, s.namesOf(users))
	s.out = wire.AppendString(s.out, s.namesOf(groups))
	s.out = wire.Finish(s.out, start)
	return nil, nil
}

// zeros counts the ids that are zero.
func zeros(lists ...[]byte) (n int) {
	for _, ids := range lists {
		for d := wire.NewDecoder(ids); len(d.Rest()) > 0; {
			if d.Uint32() == 0 {
				n++
			}
		}
	}
	return n
}

func (s *session) namesOf(ids []byte) (names []byte) {
	for d := wire.NewDecoder(ids); len(d.Rest()) > 0; {
		if d.Uint32() == 0 {
			names = wire.AppendString(names, s.user)
		} else {
			names = wire.AppendString(names, "")
		}
	}
	return names
}
