package accounts

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"github.com/truckee-fs/truckee/internal/kind"
)

// Bounds on the cost of a hash that a line may ask for: a login by it takes at
// most some seconds of one core and maxArgonMemory of memory.
const (
	maxArgonMemory  = 256 << 10 // KiB
	maxArgonWork    = 1 << 20   // KiB times passes
	maxArgonThreads = 16
	minBcryptCost   = 4
	maxBcryptCost   = 15
)

// Cost of the hashes that HashPassword makes: OWASP's recommendation for
// argon2id, about 30 ms of one core, in 19 MiB so that several logins at once
// stay within the gateway's memory bound.
const (
	ourArgonMemory = 19 << 10 // KiB
	ourArgonPasses = 2
)

// hashScheme matches the beginning of a hash in PHC or crypt form: $id$.
var hashScheme = regexp.MustCompile(`^\$[A-Za-z0-9_.-]+\$`)

// HashPassword returns the argon2id hash of a password in PHC form, to stand in
// an accounts line. Invalid if the password is empty or longer than MaxPassword.
func HashPassword(password []byte) (string, error) {
	if len(password) == 0 || len(password) > MaxPassword {
		return "", kind.Errorf(kind.Invalid, "accounts: a password has 1 to %d bytes", MaxPassword)
	}
	salt := make([]byte, 16)
	if _, err := rand.Read(salt); err != nil {
		return "", err
	}
	sum := argon2.IDKey(password, salt, ourArgonPasses, ourArgonMemory, 1, 32)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=1$%s$%s", argon2.Version, ourArgonMemory, ourArgonPasses,
		b64.EncodeToString(salt), b64.EncodeToString(sum)), nil
}

// hash verifies passwords against one stored form.
type hash interface {
	// match takes as long for a wrong password as for the right one.
	match(password []byte) bool
	// memory is what one match allocates, in KiB.
	memory() int64
}

// parseHash reads a PHC or crypt form. Its errors don't show the word.
func parseHash(word string) (hash, error) {
	switch {
	case strings.HasPrefix(word, "$argon2id$"):
		return parseArgon(word)
	case strings.HasPrefix(word, "$2a$"), strings.HasPrefix(word, "$2b$"), strings.HasPrefix(word, "$2y$"):
		return parseBcrypt(word)
	}
	return nil, errors.New("this kind of password hash is not supported; argon2id and bcrypt are")
}

type argonHash struct {
	memKiB, passes uint32
	threads        uint8
	salt, sum      []byte
}

// argonForm is the PHC form without key id and associated data.
var argonForm = regexp.MustCompile(`^\$argon2id\$v=19\$m=([1-9][0-9]{0,9}),t=([1-9][0-9]{0,9}),p=([1-9][0-9]{0,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$`)

func parseArgon(word string) (hash, error) {
	m := argonForm.FindStringSubmatch(word)
	if m == nil {
		return nil, errors.New("the argon2id hash is not of the form $argon2id$v=19$m=...,t=...,p=...$salt$hash")
	}
	var cost [3]uint64
	for i := range cost {
		n, err := strconv.ParseUint(m[i+1], 10, 32)
		if err != nil {
			return nil, errors.New("a cost of the argon2id hash is no 32-bit number")
		}
		cost[i] = n
	}
	mem, passes, threads := cost[0], cost[1], cost[2]
	if threads > maxArgonThreads || mem < 8*threads || mem > maxArgonMemory || mem*passes > maxArgonWork {
		return nil, fmt.Errorf("the argon2id hash costs more than is allowed here: memory m is 8*p to %d KiB, m*t at most %d, p at most %d",
			maxArgonMemory, maxArgonWork, maxArgonThreads)
	}
	b64 := base64.RawStdEncoding.Strict()
	salt, err1 := b64.DecodeString(m[4])
	sum, err2 := b64.DecodeString(m[5])
	if err1 != nil || err2 != nil || len(salt) < 8 || len(salt) > 64 || len(sum) < 16 || len(sum) > 64 {
		return nil, errors.New("salt or hash of the argon2id hash is not base64 of 8 to 64 and 16 to 64 bytes")
	}
	return &argonHash{memKiB: uint32(mem), passes: uint32(passes), threads: uint8(threads), salt: salt, sum: sum}, nil
}

func (h *argonHash) match(password []byte) bool {
	sum := argon2.IDKey(password, h.salt, h.passes, h.memKiB, h.threads, uint32(len(h.sum)))
	return subtle.ConstantTimeCompare(sum, h.sum) == 1
}

func (h *argonHash) memory() int64 { return int64(h.memKiB) }

type bcryptHash struct{ text []byte }

var bcryptForm = regexp.MustCompile(`^\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}$`)

func parseBcrypt(word string) (hash, error) {
	m := bcryptForm.FindStringSubmatch(word)
	if m == nil {
		return nil, errors.New("the bcrypt hash is not of the form $2b$NN$ and 53 characters")
	}
	cost, _ := strconv.Atoi(m[1])
	if cost < minBcryptCost || cost > maxBcryptCost {
		return nil, fmt.Errorf("the bcrypt hash's cost is not %d to %d", minBcryptCost, maxBcryptCost)
	}
	if _, err := bcrypt.Cost([]byte(word)); err != nil {
		return nil, errors.New("the bcrypt hash is damaged")
	}
	return &bcryptHash{text: []byte(word)}, nil
}

// match looks at the first 72 bytes only, as bcrypt is defined.
func (h *bcryptHash) match(password []byte) bool {
	return bcrypt.CompareHashAndPassword(h.text, password[:min(len(password), 72)]) == nil
}

func (h *bcryptHash) memory() int64 { return 8 }
