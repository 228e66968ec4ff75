package config

import (
	"fmt"
	"reflect"
	"strings"
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
	case []Path:
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
			fmt.Fprintf(&b, "| `%s` | `%s` | %s%s | `--%s` | `%s` |\n",
				o.Key, o.tomlDefault(), strings.ReplaceAll(o.Help, "|", "\\|"), o.bounds(), o.Flag, o.Env)
		}
		b.WriteString("\n")
	}
	return b.String()
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

// Example is tahoe.cfg.example: every key, commented out, with its default.
func Example() string {
	var b strings.Builder
	b.WriteString("# Example of BASEDIR/" + FileName + ": every key with its default. All are optional.\n" +
		"# The file is TOML. A flag wins over a TRUCKEE_* variable, that over this file.\n" +
		"# Relative paths are taken from BASEDIR. The table of all keys: docs/configuration.md.\n")
	for _, s := range sectionHelp() {
		fmt.Fprintf(&b, "\n# %s\n[%s]\n", s[1], s[0])
		for _, o := range Options() {
			if o.Section == s[0] {
				fmt.Fprintf(&b, "\n# %s%s\n#%s = %s\n", o.Help, o.bounds(), o.Key, o.tomlDefault())
			}
		}
	}
	return b.String()
}
