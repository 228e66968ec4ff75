package settings

import "encoding/xml"

// Encryption says with what new objects are encrypted that don't say it
// themselves.
type Encryption struct {
	XMLName xml.Name         `xml:"ServerSideEncryptionConfiguration"`
	Xmlns   string           `xml:"xmlns,attr,omitempty"`
	Rules   []EncryptionRule `xml:"Rule"`
	Unknown []Unknown        `xml:",any"`
}

// EncryptionRule is the one rule of an Encryption.
type EncryptionRule struct {
	Default   *EncryptionDefault `xml:"ApplyServerSideEncryptionByDefault"`
	BucketKey *bool              `xml:"BucketKeyEnabled"`
	Blocked   *BlockedEncryption `xml:"BlockedEncryptionTypes"`
	Unknown   []Unknown          `xml:",any"`
}

// EncryptionDefault names the algorithm.
type EncryptionDefault struct {
	Algorithm string    `xml:"SSEAlgorithm"`
	KeyID     string    `xml:"KMSMasterKeyID,omitempty"`
	Unknown   []Unknown `xml:",any"`
}

// BlockedEncryption lists what new objects may not be encrypted with: SSE-C.
type BlockedEncryption struct {
	Types   []string  `xml:"EncryptionType"`
	Unknown []Unknown `xml:",any"`
}

// ParseEncryption reads a ServerSideEncryptionConfiguration. There is no key
// management service here, so aws:kms is refused (NotImplemented).
func ParseEncryption(data []byte) (*Encryption, error) {
	e := &Encryption{}
	if err := Read(data, "ServerSideEncryptionConfiguration", e); err != nil {
		return nil, err
	}
	if len(e.Rules) != 1 {
		return nil, malformed("There is not exactly one rule.")
	}
	r := e.Rules[0]
	if r.Default == nil {
		return nil, malformed("The rule has no ApplyServerSideEncryptionByDefault.")
	}
	switch r.Default.Algorithm {
	case "AES256":
		if r.Default.KeyID != "" {
			return nil, invalid("a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse")
		}
	case "aws:kms", "aws:kms:dsse":
		return nil, refuse("NotImplemented", "This server has no key management service, so it has no SSE-KMS.")
	default:
		return nil, malformed("The SSEAlgorithm is not AES256.")
	}
	if r.Blocked != nil {
		for _, t := range r.Blocked.Types {
			if t != "SSE-C" && t != "NONE" {
				return nil, malformed("An EncryptionType is neither SSE-C nor NONE.")
			}
		}
	}
	return e, nil
}

// BlocksClientKeys reports whether new objects may not have keys of their clients.
func (e *Encryption) BlocksClientKeys() bool {
	return len(e.Rules) == 1 && e.Rules[0].Blocked != nil && contains(e.Rules[0].Blocked.Types, func(t string) bool { return t == "SSE-C" })
}
