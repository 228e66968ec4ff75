package policy

// holds judges the condition for r. What AWS says of absent keys: an operator
// fails, its negation and …IfExists hold, ForAllValues holds of no values and
// ForAnyValue doesn't.
func (c *condition) holds(r Request, vars func(string) (string, bool), effect Effect) bool {
	have, there := r.values(c.key)
	if c.name == "Null" {
		want := c.values[0].yes
		for _, v := range c.values {
			want = want && v.yes
		}
		return want == !there
	}
	if !there || len(have) == 0 {
		switch {
		case c.ifExists, c.each == allValues:
			return true
		case c.each == anyValue:
			return false
		}
		return c.negated
	}
	switch c.each {
	case allValues:
		for _, h := range have {
			if !c.one(h, vars, effect) {
				return false
			}
		}
		return true
	case anyValue:
		for _, h := range have {
			if c.one(h, vars, effect) {
				return true
			}
		}
		return false
	}
	// Several values of a key that should have one: the negation holds only if
	// it holds of each.
	for _, h := range have {
		if c.one(h, vars, effect) != c.negated {
			return !c.negated
		}
	}
	return c.negated
}

// one judges one value of the request: any of the condition's values has to
// match, or none if it is negated. A variable that stands for nothing matches
// nothing; what its negation should mean nobody knows: it denies and doesn't
// allow.
func (c *condition) one(have string, vars func(string) (string, bool), effect Effect) bool {
	for _, want := range c.values {
		text, ok := want.text.resolve(vars)
		if !ok {
			if c.negated && effect == Allow {
				return false
			}
			continue
		}
		want.text = text
		if c.op.match(have, want) {
			return !c.negated
		}
	}
	return c.negated
}
