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
//
// # Where to look
//
// Begin with run in call.go, which is that order, and with the table of operations in
// request.go. Apart from them:
//
//   - what a request addresses and from where: target, query, remote; how often: rates, tokens
//   - who asks: auth (signatures are package sigv4); whether he may: authorise, by what
//     policies (package policy), ACLs (grants, acls, people, ownership; package acl)
//     and conditions see of the request (question)
//   - bodies on their way in: payload says what was promised of one, body receives and
//     checks it, by intake and lanes; document reads a small one
//   - objects: put; get, range and send; copy, copysource and copydata; delete;
//     attributes, taggings, locks, versions. What stands with one: metadata, describe,
//     conditions, checksums (package checksum), and seal for keys of clients (SSE-C)
//   - uploads in parts: upload, complete, uploadlist
//   - buckets and lists: buckets, list; their documents: configuration, documents
//     (package settings); absent, for features that this server doesn't have
//   - what isn't a request by S3's API: forms (package postform), sites, cors;
//     lifecycles are told here (lifecycle) and carried out by package lifecycle
//   - answers: respond and document write them, errors and code say what went wrong
package s3
