package acl

// Canned gives the list that x-amz-acl names, for what writer makes in a bucket
// of bucketOwner's; for a bucket itself both are the same person. False if there
// is no such list, or it has no meaning for a bucket.
func Canned(name string, bucket bool, writer, bucketOwner Person) (List, bool) {
	l := Private(writer)
	group := func(group string, permissions ...Permission) {
		for _, p := range permissions {
			l.Grants = append(l.Grants, Grant{Group: group, Permission: p})
		}
	}
	switch name {
	case "private":
	case "public-read":
		group(AllUsers, Read)
	case "public-read-write":
		group(AllUsers, Read, Write)
	case "authenticated-read":
		group(AuthenticatedUsers, Read)
	case "aws-exec-read":
		// Amazon EC2 may read it, which is nobody here.
	case "log-delivery-write":
		if !bucket {
			return List{}, false
		}
		group(LogDelivery, Write, ReadACP)
	case "bucket-owner-read", "bucket-owner-full-control":
		if bucket || writer.ID == bucketOwner.ID {
			break
		}
		p := Read
		if name == "bucket-owner-full-control" {
			p = FullControl
		}
		l.Grants = append(l.Grants, Grant{Person: bucketOwner, Permission: p})
	default:
		return List{}, false
	}
	return l.sorted(), true
}
