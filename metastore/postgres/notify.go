package postgres

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/pace"
	"github.com/truckee-fs/truckee/metastore"
)

// A hint is the name of the store that sends it and, each after a space, the ids
// of the slots that a commit changed, in base64; none if they are too many.
const (
	hintLimit = 7900 // bytes; the server takes less than 8000
	slotChars = 1 + 43
)

// hint tells the other gateways what a batch changes; nothing if no slot. It goes out
// when the transaction has committed.
func (t *tx) hint() string {
	changed := t.writtenSlots()
	if len(changed) == 0 {
		return ""
	}
	hint := strconv.FormatUint(t.s.name, 36)
	if len(hint)+len(changed)*slotChars <= hintLimit {
		for _, st := range changed {
			hint += " " + base64.RawStdEncoding.EncodeToString(st.current.ID[:])
		}
	}
	return hint
}

// channel is the name under which hints go. It is the schema's: names of channels
// are the database's.
func (c *config) channel() string {
	return "truckee_" + strconv.FormatUint(uint64(uint32(c.lockKey())), 36)
}

// readHint gives the slots of a hint, nil if it names none; ours tells that this
// store has sent it.
func (s *Store) readHint(hint string) (slots []metastore.SlotID, ours bool) {
	name, list, _ := strings.Cut(hint, " ")
	if name == strconv.FormatUint(s.name, 36) {
		return nil, true
	}
	for _, text := range strings.Fields(list) {
		id, err := base64.RawStdEncoding.DecodeString(text)
		if err != nil || len(id) != len(metastore.SlotID{}) {
			return nil, false // somebody else's words: anything may have changed
		}
		slots = append(slots, metastore.SlotID(id))
	}
	return slots, false
}

// hintBuffer is how many hints wait for a reader; those after them become one that
// says that anything may have changed.
const hintBuffer = 64

// keepAlive is how often a connection that only listens is tried.
const keepAlive = 30 * time.Second

// Notify implements metastore.Notifier, on a connection of its own. When that
// breaks it makes another; since hints may have been lost meanwhile, it then gives
// one that says that anything may have changed.
func (s *Store) Notify(ctx context.Context) (<-chan []metastore.SlotID, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	conn, err := s.listen(ctx)
	if err != nil {
		s.leave()
		return nil, failed(ctx, "listen", err)
	}
	l := &listener{s: s, out: make(chan []metastore.SlotID, hintBuffer)}
	l.ctx, l.cancel = context.WithCancel(ctx)
	stop := context.AfterFunc(s.closing, l.cancel)
	go func() {
		defer s.leave()
		defer close(l.out)
		defer l.cancel()
		defer stop()
		l.run(conn)
	}()
	return l.out, nil
}

func (s *Store) listen(ctx context.Context) (*pgx.Conn, error) {
	conn, err := s.c.dial(ctx, 0)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{s.c.channel()}.Sanitize()); err != nil {
		closeConn(conn)
		return nil, err
	}
	return conn, nil
}

type listener struct {
	s      *Store
	ctx    context.Context
	cancel context.CancelFunc
	out    chan []metastore.SlotID
	missed bool // hints were dropped that no nil has made good yet
}

// run passes hints on until its context ends.
func (l *listener) run(conn *pgx.Conn) {
	for {
		err := l.pass(conn)
		closeConn(conn)
		if l.ctx.Err() != nil {
			return
		}
		l.s.log.Warn("hints from other gateways are interrupted", slog.Any("error", failed(l.ctx, "listen", err)))
		for attempt := 0; ; attempt++ {
			if !pause(l.ctx, 6) || attempt > 3 && !pace.Sleep(l.ctx, time.Second) {
				return
			}
			if conn, err = l.s.listen(l.ctx); err == nil {
				break
			}
		}
		l.give(nil)
	}
}

// pass passes hints on until the connection fails.
func (l *listener) pass(conn *pgx.Conn) error {
	for {
		ctx, cancel := context.WithTimeout(l.ctx, keepAlive)
		n, err := conn.WaitForNotification(ctx)
		quiet := errors.Is(ctx.Err(), context.DeadlineExceeded)
		cancel()
		switch {
		case err == nil:
			if slots, ours := l.s.readHint(n.Payload); !ours {
				l.give(slots)
			}
			continue
		case l.ctx.Err() != nil || !quiet || conn.IsClosed():
			return err
		}
		ctx, cancel = context.WithTimeout(l.ctx, connectTimeout)
		err = conn.Ping(ctx)
		cancel()
		if err != nil {
			return fmt.Errorf("postgres: the listening connection: %w: %w", kind.Unavailable, err)
		}
		l.settle()
	}
}

// give passes a hint on, or notes that it was dropped.
func (l *listener) give(slots []metastore.SlotID) {
	if l.missed {
		slots = nil
	}
	select {
	case l.out <- slots:
		l.missed = false
	default:
		l.missed = true
	}
}

// settle makes dropped hints good when nothing else comes.
func (l *listener) settle() {
	if l.missed {
		l.give(nil)
	}
}
