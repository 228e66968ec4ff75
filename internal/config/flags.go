package config

import "flag"

// RegisterFlags adds a flag for every option to fs, and -b, --blockstore. After
// fs.Parse, given holds those that were given, as Sources.Flags takes them, and
// blockstores the values of -b. They are checked by Load.
func RegisterFlags(fs *flag.FlagSet, given map[string]string, blockstores *[]string) {
	for _, o := range Options() {
		if o.Flag != "" {
			fs.Var(flagValue{o, given}, o.Flag, o.Help)
		}
	}
	const help = "where the blocks lie; several `BLOCKSTORE`s are RAID0|RAID1|RAID5:<node>:<blockstore> each"
	fs.Var(listValue{blockstores}, "blockstore", help)
	fs.Var(listValue{blockstores}, "b", help)
}

type flagValue struct {
	option Option
	given  map[string]string
}

func (v flagValue) Set(text string) error { v.given[v.option.Flag] = text; return nil }
func (v flagValue) String() string        { return v.option.Default }
func (v flagValue) IsBoolFlag() bool      { return v.option.IsBool }

type listValue struct{ list *[]string }

func (v listValue) Set(text string) error { *v.list = append(*v.list, text); return nil }
func (listValue) String() string          { return "" }
