package settings

import "encoding/xml"

type xmlVersioning struct {
	XMLName   xml.Name  `xml:"VersioningConfiguration"`
	Xmlns     string    `xml:"xmlns,attr,omitempty"`
	Status    string    `xml:"Status,omitempty"`
	MFADelete string    `xml:"MfaDelete,omitempty"`
	Unknown   []Unknown `xml:",any"`
}

// ParseVersioning reads a VersioningConfiguration: true to enable versioning,
// false to suspend it.
func ParseVersioning(data []byte) (bool, error) {
	var doc xmlVersioning
	if err := Read(data, "VersioningConfiguration", &doc); err != nil {
		return false, err
	}
	if doc.MFADelete == "Enabled" {
		return false, refuse("NotImplemented", "This server has no MFA delete.")
	}
	if doc.MFADelete != "" && doc.MFADelete != "Disabled" || doc.Status != "Enabled" && doc.Status != "Suspended" {
		return false, refuse("IllegalVersioningConfigurationException", "The Status is neither Enabled nor Suspended.")
	}
	return doc.Status == "Enabled", nil
}

// WriteVersioning is the document of a state: "Enabled", "Suspended", or "".
func WriteVersioning(status string) []byte {
	return Write(xmlVersioning{Xmlns: Namespace, Status: status})
}

type xmlPayment struct {
	XMLName xml.Name  `xml:"RequestPaymentConfiguration"`
	Xmlns   string    `xml:"xmlns,attr,omitempty"`
	Payer   string    `xml:"Payer"`
	Unknown []Unknown `xml:",any"`
}

// ParsePayment reads a RequestPaymentConfiguration: BucketOwner or Requester.
func ParsePayment(data []byte) (string, error) {
	var doc xmlPayment
	if err := Read(data, "RequestPaymentConfiguration", &doc); err != nil {
		return "", err
	}
	if doc.Payer != "BucketOwner" && doc.Payer != "Requester" {
		return "", malformed("The Payer is neither BucketOwner nor Requester.")
	}
	return doc.Payer, nil
}

// WritePayment is the document of a payer.
func WritePayment(payer string) []byte { return Write(xmlPayment{Xmlns: Namespace, Payer: payer}) }
