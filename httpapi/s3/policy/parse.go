package policy

// The versions of the language. The older one knows no variables.
const (
	version2008 = "2008-10-17"
	version2012 = "2012-10-17"
)

// Parse reads the policy of bucket. Every error wraps ErrMalformed.
func Parse(doc []byte, bucket string) (*Policy, error) {
	if len(doc) > MaxSize {
		return nil, malformed("the document is larger than %d bytes", MaxSize)
	}
	v, err := decode(doc)
	if err != nil {
		return nil, err
	}
	top, ok := v.(object)
	if !ok {
		return nil, malformed("the document is no object")
	}
	p := &Policy{}
	var list any
	for _, m := range top {
		switch m.name {
		case "Version":
			switch m.value {
			case version2008:
			case version2012:
				p.variables = true
			default:
				return nil, malformed("the version is neither %s nor %s", version2012, version2008)
			}
		case "Id":
			if p.id, ok = m.value.(string); !ok {
				return nil, malformed("Id is no string")
			}
		case "Statement":
			list = m.value
		default:
			return nil, malformed("unknown element %q", m.name)
		}
	}
	if err := p.parseStatements(list, bucket); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *Policy) parseStatements(list any, bucket string) error {
	if one, ok := list.(object); ok {
		list = []any{one}
	}
	statements, ok := list.([]any)
	if !ok || len(statements) == 0 {
		return malformed("there is no statement")
	}
	sids := map[string]bool{}
	for _, v := range statements {
		o, ok := v.(object)
		if !ok {
			return malformed("a statement is no object")
		}
		s, err := p.parseStatement(o, bucket)
		if err != nil {
			return err
		}
		if s.sid != "" && sids[s.sid] {
			return malformed("the Sid %q stands there twice", s.sid)
		}
		sids[s.sid] = true
		p.statements = append(p.statements, s)
	}
	return nil
}

// parseStatement takes the elements one by one; of each pair X and NotX
// exactly one has to be there.
func (p *Policy) parseStatement(o object, bucket string) (statement, error) {
	var s statement
	for _, m := range o {
		var err error
		switch m.name {
		case "Sid":
			err = s.setSid(m.value)
		case "Effect":
			err = s.setEffect(m.value)
		case "Principal", "NotPrincipal":
			err = s.principals.parse(m.value, m.name, m.name == "NotPrincipal")
		case "Action", "NotAction":
			err = s.actions.parse(m.value, m.name, m.name == "NotAction")
		case "Resource", "NotResource":
			err = s.resources.parse(m.value, m.name, m.name == "NotResource", bucket, p.variables)
		case "Condition":
			s.conditions, err = parseConditions(m.value, p.variables)
		default:
			err = malformed("unknown element %q in a statement", m.name)
		}
		if err != nil {
			return s, err
		}
	}
	return s, s.complete()
}

func (s *statement) setSid(v any) error {
	sid, ok := v.(string)
	if !ok {
		return malformed("Sid is no string")
	}
	s.sid = sid
	return nil
}

func (s *statement) setEffect(v any) error {
	switch v {
	case "Allow":
		s.effect = Allow
	case "Deny":
		s.effect = Deny
	default:
		return malformed("Effect is neither Allow nor Deny")
	}
	return nil
}

func (s *statement) complete() error {
	switch {
	case s.effect == 0:
		return malformed("a statement has no Effect")
	case !s.principals.set:
		return malformed("a statement has no Principal")
	case len(s.actions.patterns) == 0:
		return malformed("a statement has no Action")
	case len(s.resources.patterns) == 0:
		return malformed("a statement has no Resource")
	case s.effect == Allow && s.principals.not:
		return malformed("NotPrincipal with Allow would allow everybody else in the world")
	}
	return nil
}
