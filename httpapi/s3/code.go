package s3

import "net/http"

// code is an error code of S3's (API Reference, Error responses).
type code string

// The codes that this server answers with.
const (
	AccessControlListNotSupported                  code = "AccessControlListNotSupported"
	AccessDenied                                   code = "AccessDenied"
	AccessForbidden                                code = "AccessForbidden"
	BadRequest                                     code = "BadRequest"
	NoSuchConfiguration                            code = "NoSuchConfiguration"
	UnresolvableGrantByEmailAddress                code = "UnresolvableGrantByEmailAddress"
	IllegalVersioningConfigurationException        code = "IllegalVersioningConfigurationException"
	AuthorizationHeaderMalformed                   code = "AuthorizationHeaderMalformed"
	AuthorizationQueryParametersError              code = "AuthorizationQueryParametersError"
	BadDigest                                      code = "BadDigest"
	BucketAlreadyExists                            code = "BucketAlreadyExists"
	BucketAlreadyOwnedByYou                        code = "BucketAlreadyOwnedByYou"
	BucketNotEmpty                                 code = "BucketNotEmpty"
	ConditionalRequestConflict                     code = "ConditionalRequestConflict"
	CrossLocationLoggingProhibited                 code = "CrossLocationLoggingProhibited"
	EntityTooLarge                                 code = "EntityTooLarge"
	EntityTooSmall                                 code = "EntityTooSmall"
	ExpiredToken                                   code = "ExpiredToken"
	IllegalLocationConstraintException             code = "IllegalLocationConstraintException"
	IncompleteBody                                 code = "IncompleteBody"
	InternalError                                  code = "InternalError"
	InvalidAccessKeyID                             code = "InvalidAccessKeyId"
	InvalidArgument                                code = "InvalidArgument"
	InvalidBucketACLWithObjectOwnership            code = "InvalidBucketAclWithObjectOwnership"
	InvalidBucketName                              code = "InvalidBucketName"
	InvalidBucketState                             code = "InvalidBucketState"
	InvalidDigest                                  code = "InvalidDigest"
	InvalidEncryptionAlgorithmError                code = "InvalidEncryptionAlgorithmError"
	InvalidLocationConstraint                      code = "InvalidLocationConstraint"
	InvalidObjectState                             code = "InvalidObjectState"
	InvalidPart                                    code = "InvalidPart"
	InvalidPartNumber                              code = "InvalidPartNumber"
	InvalidPartOrder                               code = "InvalidPartOrder"
	InvalidPolicyDocument                          code = "InvalidPolicyDocument"
	InvalidRange                                   code = "InvalidRange"
	InvalidRequest                                 code = "InvalidRequest"
	InvalidRetentionPeriod                         code = "InvalidRetentionPeriod"
	InvalidStorageClass                            code = "InvalidStorageClass"
	InvalidTag                                     code = "InvalidTag"
	InvalidToken                                   code = "InvalidToken"
	InvalidURI                                     code = "InvalidURI"
	KeyTooLongError                                code = "KeyTooLongError"
	MalformedACLError                              code = "MalformedACLError"
	MalformedPOSTRequest                           code = "MalformedPOSTRequest"
	MalformedPolicy                                code = "MalformedPolicy"
	MalformedTrailerError                          code = "MalformedTrailerError"
	MalformedXML                                   code = "MalformedXML"
	MaxMessageLengthExceeded                       code = "MaxMessageLengthExceeded"
	MaxPostPreDataLengthExceededError              code = "MaxPostPreDataLengthExceededError"
	MetadataTooLarge                               code = "MetadataTooLarge"
	MethodNotAllowed                               code = "MethodNotAllowed"
	MissingContentLength                           code = "MissingContentLength"
	MissingSecurityHeader                          code = "MissingSecurityHeader"
	NoSuchBucket                                   code = "NoSuchBucket"
	NoSuchBucketPolicy                             code = "NoSuchBucketPolicy"
	NoSuchCORSConfiguration                        code = "NoSuchCORSConfiguration"
	NoSuchKey                                      code = "NoSuchKey"
	NoSuchLifecycleConfiguration                   code = "NoSuchLifecycleConfiguration"
	NoSuchObjectLockConfiguration                  code = "NoSuchObjectLockConfiguration"
	NoSuchPublicAccessBlockConfiguration           code = "NoSuchPublicAccessBlockConfiguration"
	NoSuchTagSet                                   code = "NoSuchTagSet"
	NoSuchUpload                                   code = "NoSuchUpload"
	NoSuchVersion                                  code = "NoSuchVersion"
	NoSuchWebsiteConfiguration                     code = "NoSuchWebsiteConfiguration"
	NotImplemented                                 code = "NotImplemented"
	NotModified                                    code = "NotModified"
	ObjectLockConfigurationNotFoundError           code = "ObjectLockConfigurationNotFoundError"
	OperationAborted                               code = "OperationAborted"
	OwnershipControlsNotFoundError                 code = "OwnershipControlsNotFoundError"
	PreconditionFailed                             code = "PreconditionFailed"
	QuotaExceeded                                  code = "QuotaExceeded"
	ReplicationConfigurationNotFoundError          code = "ReplicationConfigurationNotFoundError"
	RequestTimeTooSkewed                           code = "RequestTimeTooSkewed"
	RequestTimeout                                 code = "RequestTimeout"
	ServerSideEncryptionConfigurationNotFoundError code = "ServerSideEncryptionConfigurationNotFoundError"
	ServiceUnavailable                             code = "ServiceUnavailable"
	SignatureDoesNotMatch                          code = "SignatureDoesNotMatch"
	SlowDown                                       code = "SlowDown"
	TooManyBuckets                                 code = "TooManyBuckets"
	UnexpectedContent                              code = "UnexpectedContent"
	UserKeyMustBeSpecified                         code = "UserKeyMustBeSpecified"
	XAmzContentChecksumMismatch                    code = "XAmzContentChecksumMismatch"
	XAmzContentSHA256Mismatch                      code = "XAmzContentSHA256Mismatch"
)

// codes gives each code its HTTP status and its sentence.
var codes = map[code]struct {
	status int
	text   string
}{
	AccessControlListNotSupported:           {http.StatusBadRequest, "The bucket does not allow ACLs"},
	AccessDenied:                            {http.StatusForbidden, "Access Denied"},
	AccessForbidden:                         {http.StatusForbidden, "CORSResponse: This CORS request is not allowed."},
	BadRequest:                              {http.StatusBadRequest, "An error occurred when parsing the HTTP request."},
	NoSuchConfiguration:                     {http.StatusNotFound, "The specified configuration does not exist."},
	UnresolvableGrantByEmailAddress:         {http.StatusBadRequest, "The e-mail address you provided does not match any account on record."},
	IllegalVersioningConfigurationException: {http.StatusBadRequest, "The versioning configuration specified in the request is invalid."},
	AuthorizationHeaderMalformed:            {http.StatusBadRequest, "The authorization header is malformed."},
	AuthorizationQueryParametersError:       {http.StatusBadRequest, "The query parameters of the signature are malformed."},
	BadDigest:                               {http.StatusBadRequest, "The digest that you specified did not match what the server received."},
	BucketAlreadyExists:                     {http.StatusConflict, "The requested bucket name is not available. Please select a different name and try again."},
	BucketAlreadyOwnedByYou:                 {http.StatusConflict, "Your previous request to create the named bucket succeeded and you already own it."},
	BucketNotEmpty:                          {http.StatusConflict, "The bucket you tried to delete is not empty"},
	ConditionalRequestConflict:              {http.StatusConflict, "A conflicting operation happened while this request ran. Please try again."},
	CrossLocationLoggingProhibited:          {http.StatusForbidden, "Logs can't go to another place."},
	EntityTooLarge:                          {http.StatusBadRequest, "Your proposed upload exceeds the maximum allowed size"},
	EntityTooSmall:                          {http.StatusBadRequest, "Your proposed upload is smaller than the minimum allowed size"},
	ExpiredToken:                            {http.StatusBadRequest, "The provided token has expired."},
	IllegalLocationConstraintException:      {http.StatusBadRequest, "The location constraint is incompatible with the region that this request was sent to."},
	IncompleteBody:                          {http.StatusBadRequest, "You did not provide the number of bytes specified by the Content-Length HTTP header"},
	InternalError:                           {http.StatusInternalServerError, "We encountered an internal error. Please try again."},
	InvalidAccessKeyID:                      {http.StatusForbidden, "The AWS Access Key Id you provided does not exist in our records."},
	InvalidArgument:                         {http.StatusBadRequest, "Invalid Argument"},
	InvalidBucketACLWithObjectOwnership:     {http.StatusBadRequest, "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"},
	InvalidBucketName:                       {http.StatusBadRequest, "The specified bucket is not valid."},
	InvalidBucketState:                      {http.StatusConflict, "The request is not valid with the current state of the bucket."},
	InvalidDigest:                           {http.StatusBadRequest, "The Content-MD5 or checksum value that you specified is not valid."},
	InvalidEncryptionAlgorithmError:         {http.StatusBadRequest, "The encryption request that you specified is not valid. The valid value is AES256."},
	InvalidLocationConstraint:               {http.StatusBadRequest, "The specified location constraint is not valid"},
	InvalidObjectState:                      {http.StatusForbidden, "The operation is not valid for the current state of the object."},
	InvalidPart:                             {http.StatusBadRequest, "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."},
	InvalidPartNumber:                       {http.StatusRequestedRangeNotSatisfiable, "The requested partnumber is not satisfiable"},
	InvalidPartOrder:                        {http.StatusBadRequest, "The list of parts was not in ascending order. The parts list must be specified in order by part number."},
	InvalidPolicyDocument:                   {http.StatusBadRequest, "The content of the form does not meet the conditions specified in the policy document."},
	InvalidRange:                            {http.StatusRequestedRangeNotSatisfiable, "The requested range is not satisfiable"},
	InvalidRequest:                          {http.StatusBadRequest, "Invalid Request"},
	InvalidRetentionPeriod:                  {http.StatusBadRequest, "The retention period is not valid."},
	InvalidStorageClass:                     {http.StatusBadRequest, "The storage class you specified is not valid"},
	InvalidTag:                              {http.StatusBadRequest, "The tag provided was not a valid tag."},
	InvalidToken:                            {http.StatusBadRequest, "The provided token is malformed or otherwise invalid."},
	InvalidURI:                              {http.StatusBadRequest, "Couldn't parse the specified URI."},
	KeyTooLongError:                         {http.StatusBadRequest, "Your key is too long"},
	MalformedACLError:                       {http.StatusBadRequest, "The XML you provided was not well-formed or did not validate against our published schema"},
	MalformedPOSTRequest:                    {http.StatusBadRequest, "The body of your POST request is not well-formed multipart/form-data."},
	MalformedPolicy:                         {http.StatusBadRequest, "Policies must be valid JSON and the first byte must be '{'"},
	MalformedTrailerError:                   {http.StatusBadRequest, "The request contained trailing data that was not well-formed or did not conform to our published schema."},
	MalformedXML:                            {http.StatusBadRequest, "The XML you provided was not well-formed or did not validate against our published schema"},
	MaxMessageLengthExceeded:                {http.StatusBadRequest, "Your request was too big."},
	MaxPostPreDataLengthExceededError:       {http.StatusBadRequest, "Your POST request fields preceding the upload file were too large."},
	MetadataTooLarge:                        {http.StatusBadRequest, "Your metadata headers exceed the maximum allowed metadata size"},
	MethodNotAllowed:                        {http.StatusMethodNotAllowed, "The specified method is not allowed against this resource."},
	MissingContentLength:                    {http.StatusLengthRequired, "You must provide the Content-Length HTTP header."},
	MissingSecurityHeader:                   {http.StatusBadRequest, "Your request was missing a required header."},
	NoSuchBucket:                            {http.StatusNotFound, "The specified bucket does not exist"},
	NoSuchBucketPolicy:                      {http.StatusNotFound, "The bucket policy does not exist"},
	NoSuchCORSConfiguration:                 {http.StatusNotFound, "The CORS configuration does not exist"},
	NoSuchKey:                               {http.StatusNotFound, "The specified key does not exist."},
	NoSuchLifecycleConfiguration:            {http.StatusNotFound, "The lifecycle configuration does not exist"},
	NoSuchObjectLockConfiguration:           {http.StatusNotFound, "The specified object does not have a ObjectLock configuration"},
	NoSuchPublicAccessBlockConfiguration:    {http.StatusNotFound, "The public access block configuration was not found"},
	NoSuchTagSet:                            {http.StatusNotFound, "The TagSet does not exist"},
	NoSuchUpload:                            {http.StatusNotFound, "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."},
	NoSuchVersion:                           {http.StatusNotFound, "The specified version does not exist."},
	NoSuchWebsiteConfiguration:              {http.StatusNotFound, "The specified bucket does not have a website configuration"},
	NotImplemented:                          {http.StatusNotImplemented, "A header or query you provided implies functionality that is not implemented."},
	NotModified:                             {http.StatusNotModified, "Not Modified"},
	ObjectLockConfigurationNotFoundError:    {http.StatusNotFound, "Object Lock configuration does not exist for this bucket"},
	OperationAborted:                        {http.StatusConflict, "A conflicting conditional operation is currently in progress against this resource. Please try again."},
	OwnershipControlsNotFoundError:          {http.StatusNotFound, "The bucket ownership controls were not found"},
	PreconditionFailed:                      {http.StatusPreconditionFailed, "At least one of the pre-conditions you specified did not hold"},
	QuotaExceeded:                           {http.StatusForbidden, "The storage is full, or the quota is used up."},
	ReplicationConfigurationNotFoundError:   {http.StatusNotFound, "The replication configuration was not found"},
	RequestTimeTooSkewed:                    {http.StatusForbidden, "The difference between the request time and the current time is too large."},
	RequestTimeout:                          {http.StatusBadRequest, "Your socket connection to the server was not read from or written to within the timeout period."},
	ServerSideEncryptionConfigurationNotFoundError: {http.StatusNotFound, "The server side encryption configuration was not found"},
	ServiceUnavailable:          {http.StatusServiceUnavailable, "Please reduce your request rate."},
	SignatureDoesNotMatch:       {http.StatusForbidden, "The request signature we calculated does not match the signature you provided. Check your key and signing method."},
	SlowDown:                    {http.StatusServiceUnavailable, "Please reduce your request rate."},
	TooManyBuckets:              {http.StatusBadRequest, "You have attempted to create more buckets than allowed"},
	UnexpectedContent:           {http.StatusBadRequest, "This request does not support content"},
	UserKeyMustBeSpecified:      {http.StatusBadRequest, "The bucket POST must contain the specified field name. If it is specified, check the order of the fields."},
	XAmzContentChecksumMismatch: {http.StatusBadRequest, "The provided checksum does not match what was computed."},
	XAmzContentSHA256Mismatch:   {http.StatusBadRequest, "The provided 'x-amz-content-sha256' header does not match what was computed."},
}
