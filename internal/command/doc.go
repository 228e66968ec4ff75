// Package command is what the subcommands of truckee do on an open node. Each is
// an Operation: a value that travels as JSON, so that the same code runs in the
// command's own process, which then holds the node's lock, and in a node that
// is running already, over its control socket.
package command
