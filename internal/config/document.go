package config

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/truckee-fs/truckee/blockstore"
)

// sectionHelp lists the sections in order, with what they are about.
func sectionHelp() [][2]string {
	var all [][2]string
	t := reflect.TypeFor[Config]()
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		all = append(all, [2]string{tag.Get("section"), tag.Get("help")})
	}
	return all
}

// tomlDefault is the default as it would stand in tahoe.cfg.
func (o Option) tomlDefault() string {
	switch o.field.Interface().(type) {
	case bool, int:
		return o.Default
	case []Path, Listeners, List:
		return "[]"
	}
	return fmt.Sprintf("%q", o.Default)
}

// Table is the table of all keys, in Markdown, as it stands in docs/configuration.md.
func Table() string {
	var b strings.Builder
	for _, s := range sectionHelp() {
		fmt.Fprintf(&b, "### [%s]\n\n%s\n\n", s[0], s[1])
		b.WriteString("| key | default | meaning | flag | variable |\n| --- | --- | --- | --- | --- |\n")
		for _, o := range Options() {
			if o.Section != s[0] {
				continue
			}
			fmt.Fprintf(&b, "| `%s` | `%s` | %s%s | %s | %s |\n",
				o.Key, o.tomlDefault(), cell(o.Help), o.bounds(), quoted("--", o.Flag), quoted("", o.Env))
		}
		b.WriteString("\n")
		if s[0] == blockstoreSection {
			writeForms(&b)
		}
	}
	return b.String()
}

func cell(text string) string { return strings.ReplaceAll(text, "|", "\\|") }

// quoted is a name as code, or nothing.
func quoted(dashes, name string) string {
	if name == "" {
		return ""
	}
	return "`" + dashes + name + "`"
}

// writeForms lists the drivers of blockstores with their keys.
func writeForms(b *strings.Builder) {
	b.WriteString("`driver` chooses what the section's further keys are. `-b`, `--blockstore` (which may stand several times) and `" + BlockstoreEnv +
		"` (with white space between) say the same in one line:\n\n| driver | with `-b` | key | meaning |\n| --- | --- | --- | --- |\n")
	for _, f := range blockstore.Forms() {
		if f.Later {
			continue
		}
		driver, text := quoted("", f.Driver), quoted("", f.Text)
		switch {
		case f.Text == "" && len(f.Words) > 0:
			text = fmt.Sprintf("`%s:<node>:<blockstore>`, one for each node", f.Words[0])
		case f.Text == "":
			text = "in tahoe.cfg only"
		}
		if len(f.Fields) == 0 {
			fmt.Fprintf(b, "| %s | %s | | |\n", driver, text)
		}
		for _, field := range f.Fields {
			fmt.Fprintf(b, "| %s | %s | %s | %s |\n", driver, cell(text), quoted("", field.Name), cell(describe(field)))
			driver, text = "", ""
		}
	}
	b.WriteString("\nThe nodes of `raid0`, `raid1` and `raid5` are tables `[blockstore.0]`, `[blockstore.1]` and so on, each with a `driver`; one of them may be a RAID again, with " +
		"`[blockstore.1.0]`. What `cached` caches is `[blockstore.0]`. A secret may also be in a file of its own, named by `key_file`, `secret_file`, `password_file`, or stand in `secrets_file`.\n\n")
}

// describe is a field's help with what else is to be known.
func describe(f blockstore.Field) string {
	text := f.Help
	if len(f.Words) > 0 {
		text += " One of " + strings.Join(f.Words, ", ") + "."
	}
	if f.Default != "" {
		text += " Default: " + f.Default + "."
	}
	if f.Alias != "" {
		text += " Also called " + f.Alias + "."
	}
	if f.Secret {
		text += " Secret."
	}
	return text
}

func (o Option) bounds() string {
	switch {
	case o.min != "" && o.max != "":
		return fmt.Sprintf(" From %s to %s.", o.min, o.max)
	case o.min != "" && o.min != "0" && o.min != "0s":
		return fmt.Sprintf(" At least %s.", o.min)
	case o.max != "":
		return fmt.Sprintf(" At most %s.", o.max)
	}
	return ""
}

// exampleBlocks shows the keys that no table of ours has.
const exampleBlocks = `
# What driver needs are further keys: docs/configuration.md has the table.
#driver = "local"
#dir = "blocks"

# Two copies, one of them in a bucket; its key and secret stand in secrets_file:
#   driver = "raid1"
#   write = "all"
#   [blockstore.0]
#   driver = "local"
#   dir = "/srv/blocks"
#   [blockstore.1]
#   driver = "s3"
#   endpoint = "https://s3.example.com"
#   region = "region1"
#   bucket = "truckee"
`

// Example is tahoe.cfg.example: every key, commented out, with its default.
func Example() string {
	var b strings.Builder
	b.WriteString("# Example of BASEDIR/" + FileName + ": every key with its default. All are optional.\n" +
		"# The file is TOML. A flag wins over a TRUCKEE_* variable, that over this file.\n" +
		"# Relative paths are taken from BASEDIR. The table of all keys: docs/configuration.md.\n")
	for _, s := range sectionHelp() {
		fmt.Fprintf(&b, "\n# %s\n[%s]\n", s[1], s[0])
		if s[0] == blockstoreSection {
			b.WriteString(exampleBlocks)
		}
		for _, o := range Options() {
			if o.Section == s[0] {
				fmt.Fprintf(&b, "\n# %s%s\n#%s = %s\n", o.Help, o.bounds(), o.Key, o.tomlDefault())
			}
		}
	}
	return b.String()
}
