package command

import "encoding/json"

// Names and targets of links are bytes, which JSON's strings are not: what isn't
// UTF-8 would arrive as something else. These types travel as base64.

// Bytes is a name or text of any bytes.
type Bytes string

// MarshalJSON gives base64.
func (b Bytes) MarshalJSON() ([]byte, error) { return json.Marshal([]byte(b)) }

// UnmarshalJSON takes base64.
func (b *Bytes) UnmarshalJSON(text []byte) error {
	var raw []byte
	err := json.Unmarshal(text, &raw)
	*b = Bytes(raw)
	return err
}

// Names is a path.
type Names []string

// MarshalJSON gives a list of base64.
func (n Names) MarshalJSON() ([]byte, error) {
	raw := make([][]byte, len(n))
	for i, name := range n {
		raw[i] = []byte(name)
	}
	return json.Marshal(raw)
}

// UnmarshalJSON takes a list of base64.
func (n *Names) UnmarshalJSON(text []byte) error {
	var raw [][]byte
	if err := json.Unmarshal(text, &raw); err != nil {
		return err
	}
	*n = nil
	for _, name := range raw {
		*n = append(*n, string(name))
	}
	return nil
}

// MarshalJSON gives base64: passwords are bytes, too.
func (s Secret) MarshalJSON() ([]byte, error) { return Bytes(s).MarshalJSON() }

// UnmarshalJSON takes base64.
func (s *Secret) UnmarshalJSON(text []byte) error { return (*Bytes)(s).UnmarshalJSON(text) }
