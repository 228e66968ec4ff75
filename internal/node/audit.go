package node

import (
	"context"
	"io"
	"strings"

	"github.com/truckee-fs/truckee/internal/audit"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/metrics"
)

// openAudit opens what records go to, if anything is configured. version is the
// program's; stdout is where a node that serves prints them, if it is to.
func (n *Node) openAudit(o Options) error {
	c := n.Config.Audit
	if c.Required && c.File == "" {
		return kind.Errorf(kind.Invalid, "audit.required needs audit.file: what is only sent away may not arrive")
	}
	var also []io.Writer
	if c.Stdout && o.Stdout != nil {
		also = append(also, o.Stdout)
	}
	if c.Syslog != "" {
		w, err := audit.NewSyslog(c.Syslog)
		if err != nil {
			return err
		}
		also = append(also, w)
	}
	if c.File == "" && len(also) == 0 {
		return nil
	}
	l, err := audit.Open(audit.Options{
		File: string(c.File), MaxSize: int64(c.MaxSize), Required: c.Required, NoLooks: !c.Reads, Digests: c.Digests, Also: also,
		Begin: strings.TrimSpace("truckee " + o.Version + " " + n.Config.Node.Nickname), Log: n.log,
	})
	if err != nil {
		return err
	}
	n.closers = append(n.closers, l.Close)
	n.Audit, n.audit = l, l
	n.Metrics.Read(func(_ context.Context, emit metrics.Emit) { auditFigures(l.Figures(), emit) })
	return nil
}

// ReopenAudit goes on in the file that stands under its name now.
func (n *Node) ReopenAudit() {
	if n.audit != nil {
		n.audit.Reopen()
	}
}

// beginAudit records that the node serves.
func (n *Node) beginAudit() error {
	if n.audit == nil {
		return nil
	}
	return n.audit.Begin()
}

func auditFigures(f audit.Figures, emit metrics.Emit) {
	emit(metrics.AuditRecords, float64(f.Kept))
	emit(metrics.AuditLost, float64(f.Lost))
	emit(metrics.AuditFailing, number(f.Failing))
}

// Recorder is where commands' records go: Audit, or nowhere.
func (n *Node) Recorder() audit.Recorder {
	if n.Audit == nil {
		return audit.Nothing{}
	}
	return n.Audit
}
