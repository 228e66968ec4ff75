// Package sigv4 verifies the signatures of AWS Signature Version 4 as S3 defines
// it (AWS, S3 API Reference, "Authenticating Requests"): in the Authorization
// header, in the query of a presigned URL, over the policy of an HTML form, and
// over the chunks and trailers of a streamed body. Behind a name of its own there
// is also version 2, which old clients make.
//
// It is pure: what a request said goes in, and out comes who claims to have made
// it (Claim), and whether a secret confirms that. It compares in constant time,
// works on the raw target, so that nothing which a proxy or a library normalised
// is signed in place of what was sent, and its errors have neither secrets nor
// the expected signature in them.
package sigv4
