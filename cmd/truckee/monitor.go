package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/truckee-fs/truckee/internal/config"
	"github.com/truckee-fs/truckee/internal/metrics"
	"github.com/truckee-fs/truckee/internal/node"
	"github.com/truckee-fs/truckee/sftpd"
)

// listenMonitor opens the address of [metrics], if there is one.
func listenMonitor(ctx context.Context, c config.Metrics) (net.Listener, error) {
	if c.Listen == (config.Listen{}) {
		return nil, nil
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen.String())
	if err != nil {
		return nil, fmt.Errorf("can't listen on %s: %w; choose another address by --metrics HOST:PORT", c.Listen, err)
	}
	return l, nil
}

// monitor answers Prometheus and whoever asks for the health, until ctx ends. It
// goes on while sessions drain, so that this can be seen, too.
func monitor(ctx context.Context, l net.Listener, n *node.Node, server *sftpd.Server, objects *s3Service) error {
	n.Metrics.Read(func(_ context.Context, emit metrics.Emit) {
		sftpFigures(server, emit)
		if objects != nil {
			objects.figures(emit)
		}
	})
	srv := &http.Server{
		Handler: n.Monitor(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
	defer context.AfterFunc(ctx, func() { _ = srv.Close() })()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}

// sftpFigures tells what the SFTP frontend does.
func sftpFigures(server *sftpd.Server, emit metrics.Emit) {
	f := server.Figures()
	emit(metrics.SFTPConnections, float64(f.Logins), "login")
	emit(metrics.SFTPConnections, float64(f.Sessions), "session")
	emit(metrics.SFTPLogins, float64(f.LoggedIn))
	emit(metrics.SFTPBytes, float64(f.Read), "out")
	emit(metrics.SFTPBytes, float64(f.Written), "in")
	for _, r := range f.ByKind {
		emit(metrics.SFTPRequests, float64(r.Count), r.Op)
		for k, n := range r.Failures {
			emit(metrics.SFTPFailures, float64(n), r.Op, k.Word())
		}
	}
	addresses, names := server.Banned()
	emit(metrics.SFTPBanned, float64(addresses), "address")
	emit(metrics.SFTPBanned, float64(names), "name")
	for reason, count := range server.Refusals() {
		emit(metrics.SFTPRefusals, float64(count), reason.String())
	}
}
