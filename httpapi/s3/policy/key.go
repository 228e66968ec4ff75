package policy

import "strings"

// kindOfKey says what a condition key holds.
type kindOfKey uint8

const (
	stringKey kindOfKey = iota + 1
	numberKey
	dateKey
	boolKey
	addressKey
	arnKey
	listKey // several strings
)

// foldKey is a condition key in its one spelling: keys know no upper and lower
// case, the name of a tag behind the slash does.
func foldKey(key string) string {
	head, tail, found := strings.Cut(key, "/")
	if !found {
		return strings.ToLower(key)
	}
	return strings.ToLower(head) + "/" + tail
}

// keyKind looks a folded key up. A key that no request of ours ever has is
// still known if AWS defines it for S3 or for every service: its condition
// then sees an absent key, as it does on AWS.
func keyKind(key string) (kindOfKey, bool) {
	if head, tag, found := strings.Cut(key, "/"); found {
		switch head {
		case "s3:existingobjecttag", "s3:requestobjecttag", "aws:requesttag", "aws:resourcetag", "aws:principaltag":
			return stringKey, tag != ""
		}
		return 0, false
	}
	switch key {
	case "aws:sourceip", "aws:vpcsourceip":
		return addressKey, true
	case "aws:securetransport", "aws:viaawsservice", "aws:principalisawsservice", "aws:multifactorauthpresent", "s3:objectcreationoperation":
		return boolKey, true
	case "aws:currenttime", "aws:tokenissuetime", "s3:object-lock-retain-until-date":
		return dateKey, true
	case "aws:epochtime", "aws:multifactorauthage", "s3:max-keys", "s3:object-lock-remaining-retention-days", "s3:signatureage", "s3:tlsversion", "s3:content-length":
		return numberKey, true
	case "aws:principalarn", "aws:sourcearn":
		return arnKey, true
	case "aws:tagkeys", "s3:requestobjecttagkeys", "aws:principalorgpaths", "aws:resourceorgpaths", "aws:principalservicenameslist", "aws:calledvia":
		return listKey, true
	case "aws:username", "aws:userid", "aws:principaltype", "aws:principalaccount", "aws:principalorgid", "aws:resourceaccount",
		"aws:resourceorgid", "aws:referer", "aws:useragent", "aws:sourceaccount", "aws:sourceowner", "aws:sourceorgid", "aws:sourceorgpaths",
		"aws:sourcevpc", "aws:sourcevpce", "aws:sourcevpcarn", "aws:requestedregion", "aws:federatedprovider", "aws:principalservicename",
		"aws:calledviafirst", "aws:calledvialast", "aws:sourceidentity",
		"s3:authtype", "s3:dataaccesspointaccount", "s3:dataaccesspointarn", "s3:accesspointnetworkorigin", "s3:accesspointtag",
		"s3:delimiter", "s3:prefix", "s3:versionid", "s3:locationconstraint", "s3:signatureversion", "s3:resourceaccount", "s3:if-match", "s3:if-none-match",
		"s3:inventoryaccessibleoptionalfields", "s3:isreplicationpauserequest",
		"s3:object-lock-legal-hold", "s3:object-lock-mode",
		"s3:x-amz-acl", "s3:x-amz-content-sha256", "s3:x-amz-copy-source", "s3:x-amz-grant-full-control", "s3:x-amz-grant-read",
		"s3:x-amz-grant-read-acp", "s3:x-amz-grant-write", "s3:x-amz-grant-write-acp", "s3:x-amz-metadata-directive", "s3:x-amz-object-ownership",
		"s3:x-amz-server-side-encryption", "s3:x-amz-server-side-encryption-aws-kms-key-id",
		"s3:x-amz-server-side-encryption-customer-algorithm", "s3:x-amz-storage-class", "s3:x-amz-website-redirect-location":
		return stringKey, true
	}
	return 0, false
}
