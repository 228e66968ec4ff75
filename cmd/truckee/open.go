package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/truckee-fs/truckee/internal/command"
	"github.com/truckee-fs/truckee/internal/config"
	"github.com/truckee-fs/truckee/internal/control"
	"github.com/truckee-fs/truckee/internal/node"
)

// setting is where a node is and what it is told.
type setting struct {
	layout  node.Layout
	options node.Options
	level   *slog.LevelVar // of options.Log
}

// setting reads the configuration.
func (inv *invocation) setting() (setting, error) {
	dir, err := inv.baseDir()
	if err != nil {
		return setting{}, err
	}
	c, warnings, err := config.Load(config.Sources{BaseDir: dir, Environ: os.Environ(), Flags: inv.config, Blockstores: inv.blockstores})
	if err != nil {
		return setting{}, usageError{err}
	}
	layout := node.Layout{BaseDir: dir}
	if err := layout.CheckKept(c); err != nil {
		return setting{}, usageError{err}
	}
	level := new(slog.LevelVar)
	level.Set(c.Node.LogLevel)
	log := logger(c.Node, level, inv.stderr)
	for _, w := range warnings {
		log.Warn(w)
	}
	return setting{layout, node.Options{
		BaseDir: dir, Config: c, Drivers: drivers(), Log: log, User: node.UserName(), Version: version(),
	}, level}, nil
}

// logger writes records to stderr as configured.
func logger(c config.Node, level slog.Leveler, stderr io.Writer) *slog.Logger {
	opts := &slog.HandlerOptions{Level: level}
	var h slog.Handler = slog.NewTextHandler(stderr, opts)
	if c.LogFormat == "json" {
		h = slog.NewJSONHandler(stderr, opts)
	}
	log := slog.New(h)
	if c.Nickname != "" {
		log = log.With("node", c.Nickname)
	}
	return log
}

// session connects to the node, by its control socket or by opening it. A
// command that opens it says only what is wrong.
func (inv *invocation) session(ctx context.Context) (*command.Session, error) {
	set, err := inv.setting()
	if err != nil {
		return nil, err
	}
	if _, given := inv.config["log-level"]; !given {
		quiet := set.options.Config.Node
		quiet.LogLevel = max(quiet.LogLevel, slog.LevelWarn)
		set.options.Log = logger(quiet, quiet.LogLevel, inv.stderr)
	}
	return command.Connect(ctx, set.layout, inv.command.name, func(ctx context.Context) (*node.Node, error) {
		return node.Open(ctx, set.options)
	})
}

// do carries out one operation on the node.
func (inv *invocation) do(ctx context.Context, o command.Operation) error {
	s, err := inv.session(ctx)
	if err != nil {
		return err
	}
	out := s.Do(ctx, o, control.Streams{In: inv.stdin, Out: inv.stdout, Err: inv.stderr})
	return finish(s, out)
}

// finish closes a session and makes an error of its outcome.
func finish(s *command.Session, out control.Outcome) error {
	err := s.Close()
	if out.Status != command.StatusOK {
		return statusError{out.Status, strings.TrimSpace(out.Message)}
	}
	return err
}
