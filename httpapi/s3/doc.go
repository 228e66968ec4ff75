// Package s3 is the S3 frontend: it answers requests of the S3 REST API (AWS's
// API Reference, API version 2006-03-01) by calls on the filestore. A bucket is a
// directory at the top of its owner's root and a key is a path in it, so what S3
// puts, SFTP shows, and the other way round.
//
// It holds no state of its own and decides nothing about files: conditions are
// judged by the filestore inside of the commit, and an answer of 200 means that
// the change is durable. What it does decide is who asks (package sigv4), whether
// what arrived is what was sent (package checksum), and how all of it is said in
// S3's words.
//
// Every request is routed by its raw target: no key is ever normalised (see
// target). The order is: authenticate, find the operation, find the bucket,
// authorise, handle. A handler returns an error, which one table turns into S3's
// code and status (see code).
package s3
