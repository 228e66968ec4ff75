package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// layout is an array of local directories, and what it was measured at.
type layout struct {
	name     string
	level    string // "": one directory
	disks    int
	n        *testbed.Truckee
	puts     series
	gets     series
	degraded series
}

// arrays measures RAID1 and RAID5 against one directory, in turn.
func (b *bench) arrays(ctx context.Context) (err error) {
	one, raid1, raid5 := &layout{name: "one", disks: 1}, &layout{name: "raid1", level: "RAID1", disks: 2}, &layout{name: "raid5", level: "RAID5", disks: 3}
	all := []*layout{one, raid1, raid5}
	defer func() {
		for _, l := range all {
			if l.n != nil {
				err = errors.Join(err, l.n.Stop())
			}
			err = errors.Join(err, os.RemoveAll(filepath.Join(b.dir, l.name)))
		}
	}()
	for _, l := range all {
		var flags []string
		for i := range l.disks {
			disk := "local:" + b.disk(l, i)
			if l.level != "" {
				disk = fmt.Sprintf("%s:%d:%s", l.level, i, disk)
			}
			flags = append(flags, "-b", disk)
		}
		if l.n, err = b.node(ctx, l.name, flags...); err != nil {
			return err
		}
	}
	for range b.rounds {
		for _, l := range all {
			if err := b.transfer(ctx, l); err != nil {
				return err
			}
		}
		if err := b.withoutDisk(ctx, raid5); err != nil {
			return err
		}
	}
	b.tell("RAID1 of two directories, put", raid1.puts, "one directory, put", one.puts)
	b.tell("RAID1 of two directories, get", raid1.gets, "one directory, get", one.gets)
	b.tell("RAID5 of three directories, put", raid5.puts, "one directory, put", one.puts)
	b.tell("RAID5 of three directories, get", raid5.gets, "one directory, get", one.gets)
	b.tell("RAID5 with a directory away, get", raid5.degraded, "RAID5 whole, get", raid5.gets)
	return nil
}

func (b *bench) disk(l *layout, i int) string {
	return filepath.Join(b.dir, l.name, fmt.Sprint("disk", i))
}

// transfer puts and gets the file.
func (b *bench) transfer(ctx context.Context, l *layout) error {
	if err := b.put(ctx, l.n, &l.puts); err != nil {
		return err
	}
	return b.get(ctx, l.n, &l.gets)
}

// withoutDisk gets the file while one directory of the array isn't there.
func (b *bench) withoutDisk(ctx context.Context, l *layout) (err error) {
	if err := l.n.Stop(); err != nil {
		return err
	}
	disk, away := b.disk(l, 1), b.disk(l, 1)+".away"
	if err := os.Rename(disk, away); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, l.n.Stop(), os.Rename(away, disk), l.n.Start(ctx))
	}()
	if err := l.n.Start(ctx); err != nil {
		return err
	}
	return b.get(ctx, l.n, &l.degraded)
}
