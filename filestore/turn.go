package filestore

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/retry"
	"github.com/truckee-fs/truckee/metastore"
)

// tableTask and kindTask are those of the rows that tell when tasks were done
// (formats 9).
const (
	tableTask = "task"
	kindTask  = 2
)

// taskRow is what a row holds.
type taskRow struct {
	Version int       `json:"v"`
	Task    string    `json:"task"`
	At      time.Time `json:"at"`      // when it was begun last, by that gateway's clock
	Gateway string    `json:"gateway"` // which one
}

// Turn reports whether it is this gateway's turn to do a task that is done once in
// an interval by whichever gateway of the metastore asks first, and notes that it
// is being done. What a gateway that is told so doesn't finish waits for the next
// time. Gateways' clocks may differ by less than the interval.
func (fs *FS) Turn(ctx context.Context, task string, interval time.Duration) (bool, error) {
	mine, err := fs.takeTurn(ctx, task, interval)
	return mine, wrap("turn", err)
}

func (fs *FS) takeTurn(ctx context.Context, task string, interval time.Duration) (bool, error) {
	key := *fs.o.Master.Derive("row-name", []byte(tableTask), []byte{0}, []byte(task)).Raw()
	row, err := fs.taskRow(ctx, key)
	if err != nil {
		return false, err
	}
	now := fs.now()
	if row.Data != nil {
		// A time beyond the next turn is of a clock that was wrong.
		if t, err := fs.openTask(&row); err != nil {
			fs.log.Warn("the row of a task can't be read, and is written anew", slog.Any("error", err))
		} else if since := now.Sub(t.At); since > -interval && since < interval {
			return false, nil
		}
	}
	plain, err := json.Marshal(taskRow{Version: 1, Task: task, At: now.UTC(), Gateway: hex.EncodeToString(fs.o.Gateway[:])})
	if err != nil {
		return false, err
	}
	err = fs.o.Meta.Commit(ctx, &metastore.Request{Sealed: []metastore.SealedChange{{
		Kind: kindTask, Key: key, Base: row.Rev, Data: sealRow(fs.o.Master, tableTask, key[:], plain),
	}}})[0]
	if errors.Is(err, kind.Conflict) {
		return false, nil // another gateway was faster
	}
	return err == nil, err
}

// taskRow reads a task's row; without data if there is none. Tasks are few.
func (fs *FS) taskRow(ctx context.Context, key [32]byte) (metastore.SealedRow, error) {
	var at metastore.SealedPlace
	for {
		page, err := retry.Value(ctx, func() ([]metastore.SealedRow, error) { return fs.o.Meta.SealedRows(ctx, kindTask, at, bucketPage) })
		if err != nil {
			return metastore.SealedRow{}, err
		}
		for _, row := range page {
			if row.Key == key {
				return row, nil
			}
			at = metastore.SealedPlace{Rev: row.Rev, Key: row.Key}
		}
		if len(page) < bucketPage {
			return metastore.SealedRow{}, nil
		}
	}
}

func (fs *FS) openTask(row *metastore.SealedRow) (t taskRow, err error) {
	plain, err := openRow(fs.o.Master, tableTask, row.Key[:], row.Data)
	if err != nil {
		return t, err
	}
	if json.Unmarshal(plain, &t) != nil || t.Version != 1 {
		return t, fmt.Errorf("a row of table %s: %w", tableTask, kind.Corrupt)
	}
	return t, nil
}
