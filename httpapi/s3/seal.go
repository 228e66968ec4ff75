package s3

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/md5" // S3's check of a key that was sent
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"io"
	"net/http"

	"github.com/truckee-fs/truckee/filestore"
)

// Keys of the client's (SSE-C). The data is encrypted once more before the
// filestore sees it, by AES-256-CTR under
//
//	HMAC-SHA256(client key, "truckee/1/client-key" 0x00 salt)
//
// from counter zero on. The salt is drawn for each object and each part, so that a
// key has one message. What authenticates the data is below, in the filestore. The
// check value, HMAC-SHA256(client key, "truckee/1/client-check" 0x00 salt), tells
// whether a key is the right one; the key itself is kept nowhere.
const (
	clientKeyLabel   = "truckee/1/client-key\x00"
	clientCheckLabel = "truckee/1/client-check\x00"
	clientETagLabel  = "truckee/1/client-etag\x00"
	clientAlgorithm  = "AES256"
)

// clientKey is a key that came with a request. It prints as nothing of it.
type clientKey struct {
	key *[32]byte
	md5 string // as the client sent it
}

// Names of the headers, behind a prefix for the source of a copy.
const (
	sealAlgorithm = "Server-Side-Encryption-Customer-Algorithm"
	sealKey       = "Server-Side-Encryption-Customer-Key"
	sealMD5       = "Server-Side-Encryption-Customer-Key-Md5"
	ofRequest     = "X-Amz-"
	ofSource      = "X-Amz-Copy-Source-"
)

// clientKey reads the key that a request has, nil if it has none.
func (c *call) clientKey(prefix string) (*clientKey, error) {
	h := c.r.Header
	algorithm, text, sum := h.Get(prefix+sealAlgorithm), h.Get(prefix+sealKey), h.Get(prefix+sealMD5)
	if algorithm == "" && text == "" && sum == "" {
		return nil, nil
	}
	if !c.secure && !c.server.PlainClientKeys {
		return nil, fail(InvalidRequest, "Requests specifying Server Side Encryption with Customer provided keys must be made over a secure connection.")
	}
	if algorithm == "" {
		return nil, fail(InvalidArgument, "Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm.")
	}
	if algorithm != clientAlgorithm {
		return nil, fail(InvalidEncryptionAlgorithmError, "")
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) != 32 {
		return nil, fail(InvalidArgument, "Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate secret key.")
	}
	if sum == "" {
		return nil, fail(InvalidArgument, "Requests specifying Server Side Encryption with Customer provided keys must provide the client calculated MD5 of the secret key.")
	}
	have := md5.Sum(raw)
	want, err := base64.StdEncoding.DecodeString(sum)
	if err != nil || subtle.ConstantTimeCompare(have[:], want) != 1 {
		return nil, fail(InvalidArgument, "The calculated MD5 hash of the key did not match the hash that was provided.")
	}
	return &clientKey{key: (*[32]byte)(raw), md5: sum}, nil
}

func (k *clientKey) derive(label string, salt [32]byte) []byte {
	h := hmac.New(sha256.New, k.key[:])
	h.Write([]byte(label))
	h.Write(salt[:])
	return h.Sum(nil)
}

// etag is what an ETag is made of: the MD5 of the data, or with a key its HMAC,
// which tells those who lack the key nothing, and is the same for the same data.
func (k *clientKey) etag(sum [md5.Size]byte) [md5.Size]byte {
	if k == nil {
		return sum
	}
	h := hmac.New(sha256.New, k.key[:])
	h.Write([]byte(clientETagLabel))
	h.Write(sum[:])
	return [md5.Size]byte(h.Sum(nil)[:md5.Size])
}

// writer gives what writes plain text to w, encrypted if k is a key.
func (k *clientKey) writer(w io.Writer, salt [32]byte) (func([]byte) error, error) {
	if k == nil {
		return func(p []byte) error {
			_, err := w.Write(p)
			return err
		}, nil
	}
	stream, err := k.stream(salt, 0)
	if err != nil {
		return nil, err
	}
	var sealed []byte
	return func(p []byte) error {
		sealed = append(sealed[:0], p...)
		stream.XORKeyStream(sealed, sealed)
		_, err := w.Write(sealed)
		return err
	}, nil
}

// newSeal draws the salt of an object.
func (k *clientKey) newSeal() *filestore.ClientSeal {
	s := &filestore.ClientSeal{Salt: newSalt()}
	copy(s.Check[:], k.derive(clientCheckLabel, s.Salt))
	return s
}

func newSalt() (salt [32]byte) {
	_, _ = rand.Read(salt[:])
	return salt
}

// opens reports whether k is the key of what s seals.
func (k *clientKey) opens(s *filestore.ClientSeal) bool {
	return subtle.ConstantTimeCompare(k.derive(clientCheckLabel, s.Salt), s.Check[:]) == 1
}

// stream is the cipher from an offset on, for both directions.
func (k *clientKey) stream(salt [32]byte, off int64) (cipher.Stream, error) {
	block, err := aes.NewCipher(k.derive(clientKeyLabel, salt))
	if err != nil {
		return nil, err
	}
	var counter [aes.BlockSize]byte
	binary.BigEndian.PutUint64(counter[8:], uint64(off/aes.BlockSize))
	s := cipher.NewCTR(block, counter[:])
	skip := make([]byte, off%aes.BlockSize)
	s.XORKeyStream(skip, skip)
	return s, nil
}

// openSeal compares the key that a request has with what an object needs: none, or
// the one that it was stored under.
func openSeal(k *clientKey, s *filestore.ClientSeal) error {
	switch {
	case s == nil && k == nil:
		return nil
	case s == nil:
		return fail(InvalidRequest, "The encryption parameters are not applicable to this object.")
	case k == nil:
		return fail(InvalidRequest, "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.")
	case !k.opens(s):
		return fail(InvalidRequest, "The provided encryption parameters did not match the ones used originally.")
	}
	return nil
}

// encryption reads the headers that ask for encryption by the server's own keys,
// which everything is encrypted by anyway, and refuses what isn't done.
func (c *call) encryption(withClientKey bool) error {
	const header = ofRequest + "Server-Side-Encryption"
	value, ok := c.r.Header.Get(header), c.r.Header[header] != nil
	kms := c.r.Header.Get(header+"-Aws-Kms-Key-Id") != "" || c.r.Header.Get(header+"-Context") != ""
	if withClientKey {
		e, err := c.server.encryptionOf(c.bucket.Info())
		if err != nil {
			return err
		}
		if e != nil && e.BlocksClientKeys() {
			return fail(AccessDenied, "The bucket blocks encryption by keys of clients (SSE-C).")
		}
	}
	switch {
	case !ok && kms:
		return fail(InvalidArgument, "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms")
	case !ok:
		return nil
	case withClientKey:
		return fail(InvalidArgument, "Server Side Encryption with Customer provided key is incompatible with the encryption method specified")
	case value == "aws:kms" || value == "aws:kms:dsse":
		return fail(NotImplemented, "Encryption by keys of a key management service is not supported. Use AES256.")
	case value != clientAlgorithm:
		return fail(InvalidArgument, "The encryption method specified is not supported").with("ArgumentName", "x-amz-server-side-encryption").with("ArgumentValue", value)
	case kms:
		return fail(InvalidArgument, "x-amz-server-side-encryption-aws-kms-key-id is for aws:kms.")
	}
	return nil
}

// describeSeal tells how an object is encrypted.
func describeSeal(h http.Header, s *filestore.ClientSeal, request http.Header) {
	if s == nil {
		h.Set("X-Amz-Server-Side-Encryption", clientAlgorithm)
		return
	}
	h.Set("X-Amz-Server-Side-Encryption-Customer-Algorithm", clientAlgorithm)
	h.Set("X-Amz-Server-Side-Encryption-Customer-Key-Md5", request.Get(ofRequest+sealMD5))
}

// sealedReader reads the plain text of an object, whatever it is sealed by.
type sealedReader struct {
	r     *filestore.ObjectReader
	in    *filestore.ObjectStream // nil: none was begun
	k     *clientKey              // nil: by nothing
	parts []filestore.Part        // where each has a salt of its own
}

// openSealed reads what r gives with the key.
func openSealed(ctx context.Context, r *filestore.ObjectReader, k *clientKey) (*sealedReader, error) {
	s := &sealedReader{r: r, k: k}
	if k == nil {
		return s, nil
	}
	var err error
	s.parts, err = r.Parts(ctx)
	return s, err
}

// stream says that n bytes from off on are what will be read, in order, until end is
// called.
func (s *sealedReader) stream(ctx context.Context, off, n int64) (end func()) {
	s.in = s.r.Stream(ctx, off, n)
	return s.in.Close
}

// read reads the next bytes of the stream, which off is where they are, into p: at
// least one, fewer than p has room for at most at the end.
func (s *sealedReader) read(ctx context.Context, p []byte, off int64) (int, error) {
	n, err := s.in.Read(ctx, p)
	if s.k == nil || n == 0 {
		return n, err
	}
	if len(s.parts) == 0 {
		return n, firstOf(s.decrypt(p[:n], s.r.Object().Meta.Client.Salt, off), err)
	}
	at := int64(0)
	rest := p[:n]
	for _, part := range s.parts {
		if in := off - at; in < part.Size && len(rest) > 0 {
			m := min(int64(len(rest)), part.Size-in)
			if e := s.decrypt(rest[:m], part.Salt, in); e != nil {
				return 0, e
			}
			rest, off = rest[m:], off+m
		}
		at += part.Size
	}
	return n, err
}

func (s *sealedReader) decrypt(p []byte, salt [32]byte, off int64) error {
	stream, err := s.k.stream(salt, off)
	if err == nil {
		stream.XORKeyStream(p, p)
	}
	return err
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
