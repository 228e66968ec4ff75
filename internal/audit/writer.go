package audit

import (
	"bytes"
	"fmt"
	"time"
)

// write is the goroutine that gives lines their place in the chain, and puts them
// into the file, many at a time.
func (l *Log) write() {
	defer close(l.done)
	tick := time.NewTicker(syncEvery)
	defer tick.Stop()
	dirty := false
	for {
		select {
		case e, more := <-l.in:
			if !more {
				l.finish()
				return
			}
			all := l.gather(e)
			l.put(all)
			for _, e := range all {
				if e.line != nil {
					l.queued.Add(-e.line.size())
				}
			}
			dirty = !l.o.Required
		case <-tick.C:
			dirty = dirty && l.file != nil && l.file.f != nil && l.file.sync() != nil
			l.warn()
		case <-l.hup:
			l.reopen()
		}
	}
}

// gather takes what else waits.
func (l *Log) gather(first *entry) []*entry {
	all := []*entry{first}
	for len(all) < batch {
		select {
		case e, more := <-l.in:
			if !more {
				return all
			}
			all = append(all, e)
		default:
			return all
		}
	}
	return all
}

// put writes entries, and tries again until it works or the Log is closed. Where
// records are required who waits hears of the failure at once, and the record is
// kept all the same as soon as that works: what it tells of has been done.
func (l *Log) put(all []*entry) {
	late := l.in
	if !l.o.Required {
		late = nil // they wait where they are
	}
	for {
		err := l.try(all)
		if err == nil {
			if l.failing.Swap(false) {
				l.log.Info("audit records are written again", "file", l.o.File)
			}
			return
		}
		if !l.failing.Swap(true) {
			l.log.Error("audit records can't be written", "file", l.o.File, "required", l.o.Required, "error", err)
		}
		for _, e := range all {
			e.answer(errNotKept)
		}
		select {
		case <-l.stop:
			if err := l.try(all); err != nil {
				l.lost.Add(int64(len(all)))
			}
			return
		case <-l.hup:
			l.reopen()
		case e, more := <-late:
			if more {
				all = append(all, e)
			}
		case <-time.After(again):
		}
	}
}

// try writes entries once, behind what has to be told before them.
func (l *Log) try(all []*entry) error {
	if err := l.ready(); err != nil {
		return err
	}
	head := *l.head.Load()
	var out []byte
	add := func(n *line) []byte {
		n.Seq, n.Prev = head.seq+1, head.hash
		b := n.marshal()
		head = chain{n.Seq, hashOf(b)}
		start := len(out)
		out = append(append(out, b...), '\n')
		return out[start:]
	}
	if !l.begun {
		b := add(newLine(Record{Service: itself, Op: opBegin, Detail: l.o.Begin}, time.Now()))
		if !l.beginTold {
			l.beginTold = true
			l.give(b)
		}
	}
	lost := l.lost.Load()
	var missing []byte
	if n := lost - l.told; n > 0 {
		missing = add(newLine(Record{Service: itself, Op: opLost, Detail: fmt.Sprintf("%d records", n)}, time.Now()))
	}
	for _, e := range all {
		if e.line == nil {
			continue
		}
		b := add(e.line)
		if !e.told { // if the file takes none, others may
			e.told = true
			l.give(b)
		}
	}
	if l.file != nil {
		if err := l.file.append(out, l.o.Required); err != nil {
			return err
		}
	}
	if missing != nil {
		l.give(missing)
	}
	l.begun, l.told = true, lost
	l.head.Store(&head)
	l.kept.Add(int64(len(all)))
	for _, e := range all {
		e.answer(nil)
	}
	return nil
}

// give hands a line to the sinks.
func (l *Log) give(b []byte) {
	for _, s := range l.also {
		s.give(bytes.Clone(b))
	}
}

// ready opens the file if the start couldn't, and puts it aside if it is full.
func (l *Log) ready() error {
	if l.file == nil {
		return nil
	}
	if l.file.f == nil {
		head, err := l.file.open()
		if err != nil {
			return err
		}
		l.head.Store(&head)
	}
	l.rotate()
	return nil
}

// rotate begins another file if this one is full. If that can't be, this one
// goes on.
func (l *Log) rotate() {
	if !l.file.full() {
		return
	}
	before := *l.head.Load()
	head, err := l.file.rotate(time.Now(), before)
	if err != nil {
		l.file.most *= 2 // not at every record
		l.log.Error("audit file can't be put aside; it goes on", "file", l.o.File, "error", err)
		return
	}
	l.file.most = l.o.MaxSize
	l.head.Store(&head)
	l.log.Info("audit file put aside", "file", l.o.File, "seq", before.seq, "sha256", before.hash)
}

// reopen does what Reopen asks for.
func (l *Log) reopen() {
	if l.file == nil || l.file.f == nil || !l.file.moved() {
		return
	}
	before := *l.head.Load()
	head, err := l.file.reopen(before)
	if err != nil {
		l.log.Error("audit file can't be opened again; the one before goes on", "file", l.o.File, "error", err)
		return
	}
	l.head.Store(&head)
	l.log.Info("audit file opened again", "file", l.o.File, "seq", before.seq, "sha256", before.hash)
}

// warn tells of records that were lost, if there are more than before.
func (l *Log) warn() {
	if n := l.Figures().Lost; n > l.warned {
		l.log.Warn("audit records lost", "count", n-l.warned, "since_start", n)
		l.warned = n
	}
}

// finish records the end.
func (l *Log) finish() {
	if !l.begun {
		return
	}
	end := &entry{line: newLine(Record{Service: itself, Op: opEnd}, time.Now())}
	if err := l.try([]*entry{end}); err != nil {
		l.log.Error("audit records can't be written", "file", l.o.File, "required", l.o.Required, "error", err)
	}
	l.warn()
}
