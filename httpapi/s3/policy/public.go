package policy

// Public reports whether the policy lets in people who aren't named: whether
// it allows something to everybody, without a condition that narrows them to
// fixed ones. As AWS defines it (S3 User Guide, "The meaning of public"),
// ranges of addresses that cover more than a /8 (IPv4) or a /32 (IPv6) narrow
// nothing; nor does a condition that a request may meet by lacking its key.
func (p *Policy) Public() bool {
	for i := range p.statements {
		s := &p.statements[i]
		if s.effect == Allow && s.principals.all && !s.narrowed() {
			return true
		}
	}
	return false
}

func (s *statement) narrowed() bool {
	for i := range s.conditions {
		if s.conditions[i].narrows() {
			return true
		}
	}
	return false
}

// narrows reports whether the condition lets through only fixed values of a
// key that says who or where somebody is.
func (c *condition) narrows() bool {
	if c.negated || c.ifExists || c.each == allValues || c.name == "Null" {
		return false
	}
	switch c.key {
	case "aws:sourceip", "aws:vpcsourceip":
		for _, v := range c.values {
			if !v.network.IsValid() || v.network.Addr().Is4() && v.network.Bits() < 8 || v.network.Addr().Is6() && v.network.Bits() < 32 {
				return false
			}
		}
		return true
	case "aws:sourcearn", "aws:sourcevpc", "aws:sourcevpce", "aws:sourceowner", "aws:sourceaccount", "aws:sourceorgid",
		"aws:principalarn", "aws:principalaccount", "aws:principalorgid", "aws:username", "aws:userid",
		"s3:dataaccesspointarn", "s3:dataaccesspointaccount", "s3:x-amz-server-side-encryption-aws-kms-key-id":
		for _, v := range c.values {
			if len(v.text) == 0 || !v.text.fixed() {
				return false
			}
		}
		return true
	}
	return false
}
