package config

import "flag"

// RegisterFlags adds a flag for every option to fs. After fs.Parse, given holds
// those that were given, as Sources.Flags takes them. Their values are checked by Load.
func RegisterFlags(fs *flag.FlagSet, given map[string]string) {
	for _, o := range Options() {
		fs.Var(flagValue{o, given}, o.Flag, o.Help)
	}
}

type flagValue struct {
	option Option
	given  map[string]string
}

func (v flagValue) Set(text string) error { v.given[v.option.Flag] = text; return nil }
func (v flagValue) String() string        { return v.option.Default }
func (v flagValue) IsBoolFlag() bool      { return v.option.IsBool }
