package config

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Option is one key of the table.
type Option struct {
	Section string
	Key     string // may hold a dot: accounts.file
	Flag    string // without dashes; empty: none
	Env     string // empty: none
	Default string // as text
	Help    string
	IsBool  bool

	min, max string
	words    []string
	field    reflect.Value
}

// Name is SECTION.KEY.
func (o Option) Name() string { return o.Section + "." + o.Key }

// Options lists every key, in the order of Config.
func Options() []Option { return options(new(Config)) }

// options lists every key, bound to the fields of c.
func options(c *Config) []Option {
	var all []Option
	sections := reflect.ValueOf(c).Elem()
	for i := range sections.NumField() {
		section := sections.Type().Field(i).Tag.Get("section")
		fields := sections.Field(i)
		for j := range fields.NumField() {
			if tag := fields.Type().Field(j).Tag; tag.Get("key") != "" {
				all = append(all, newOption(section, tag, fields.Field(j)))
			}
		}
	}
	return all
}

func newOption(section string, tag reflect.StructTag, field reflect.Value) Option {
	o := Option{
		Section: section,
		Key:     tag.Get("key"),
		Flag:    tag.Get("flag"),
		Default: tag.Get("default"),
		Help:    tag.Get("help"),
		IsBool:  field.Kind() == reflect.Bool,
		min:     tag.Get("min"),
		max:     tag.Get("max"),
		words:   strings.Fields(tag.Get("one")),
		field:   field,
	}
	flat := strings.NewReplacer(".", "_").Replace(section + "_" + o.Key)
	o.Env = named(tag.Get("env"), "TRUCKEE_"+strings.ToUpper(flat))
	o.Flag = named(o.Flag, strings.ReplaceAll(flat, "_", "-"))
	return o
}

// named is the name that a tag gives, or else the usual one; "-" is none.
func named(given, usual string) string {
	switch given {
	case "":
		return usual
	case "-":
		return ""
	}
	return given
}

// set gives the option a value: a string from where everything is text, or what
// TOML has: string, bool, int64, []any. The error doesn't name the option.
func (o Option) set(value any) error {
	if s, ok := value.(string); ok {
		return o.setText(s)
	}
	switch o.field.Interface().(type) {
	case bool:
		if b, ok := value.(bool); ok {
			o.field.SetBool(b)
			return nil
		}
	case int, Size, Listen:
		if n, ok := value.(int64); ok {
			return o.setText(strconv.FormatInt(n, 10))
		}
	case []Path:
		if list, ok := value.([]any); ok {
			return o.setList(list)
		}
	case Listeners:
		if list, ok := value.([]any); ok {
			return o.setListeners(list)
		}
	case List:
		if list, ok := value.([]any); ok {
			return o.setWords(list)
		}
	}
	return fmt.Errorf("it is %s", o.wants())
}

// wants says what a value of the option looks like.
func (o Option) wants() string {
	switch o.field.Interface().(type) {
	case bool:
		return "true or false"
	case int:
		return "a whole number"
	case Size:
		return `a size, as "64MiB"`
	case time.Duration:
		return `a time with its unit, as "30s" or "2m"`
	case Mode:
		return `an octal mode, as "022"`
	case []Path:
		return "a list of file names"
	case List:
		return `a list of texts, as ["s3.example.org"]`
	case Listeners:
		return `a list of texts, as ["0.0.0.0:2222 profile=legacy"]`
	}
	return "text, in quotes"
}

func (o Option) setListeners(list []any) error {
	var all Listeners
	for _, v := range list {
		text, ok := v.(string)
		if !ok {
			return fmt.Errorf("it is %s", o.wants())
		}
		l, err := ParseListener(text)
		if err != nil {
			return err
		}
		all = append(all, l)
	}
	o.field.Set(reflect.ValueOf(all))
	return nil
}

func (o Option) setWords(list []any) error {
	var words List
	for _, v := range list {
		text, ok := v.(string)
		if !ok || text == "" || strings.TrimSpace(text) != text || strings.Contains(text, ",") {
			return fmt.Errorf("it is %s", o.wants())
		}
		words = append(words, text)
	}
	o.field.Set(reflect.ValueOf(words))
	return nil
}

func (o Option) setList(list []any) error {
	paths := make([]Path, len(list))
	for i, v := range list {
		s, ok := v.(string)
		if !ok || s == "" {
			return fmt.Errorf("it is %s", o.wants())
		}
		paths[i] = Path(s)
	}
	o.field.Set(reflect.ValueOf(paths))
	return nil
}

// setText parses a value by the option's type and checks its bounds.
func (o Option) setText(text string) error {
	if _, address := o.field.Interface().(Listen); address && text == "" && o.Default == "" {
		o.field.SetZero() // nowhere
		return nil
	}
	v, err := parseAs(o.field.Interface(), text)
	if err != nil {
		return err
	}
	if v == Path("") && o.Default != "" {
		return errors.New("it must not be empty")
	}
	if err := o.checkBounds(v); err != nil {
		return err
	}
	o.field.Set(reflect.ValueOf(v))
	return nil
}

// parseAs reads text as a value of kind's type.
func parseAs(kind any, text string) (any, error) {
	switch kind.(type) {
	case string:
		return text, nil
	case bool:
		return parseBool(text)
	case int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("%.40q is no whole number", text)
		}
		return n, nil
	case time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return nil, fmt.Errorf(`%.40q is no time with its unit, as "30s" or "2m"`, text)
		}
		return d, nil
	case slog.Level:
		return parseLevel(text)
	case Size:
		return ParseSize(text)
	case Mode:
		return parseMode(text)
	case Listen:
		return ParseListen(text)
	case Path:
		return Path(text), nil
	case Secret:
		return Secret(text), nil
	case Database:
		return ParseDatabase(text)
	case Listeners:
		return ParseListeners(text)
	case Networks:
		return ParseNetworks(text)
	case List:
		return parseList(text), nil
	case []Path:
		return parsePaths(text), nil
	}
	return nil, fmt.Errorf("config: no parser for %T", kind)
}

// parseBool takes the words of TOML and those of Tahoe-LAFS's INI.
func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true", "yes", "on", "1":
		return true, nil
	case "false", "no", "off", "0":
		return false, nil
	}
	return false, fmt.Errorf("%.40q is neither true nor false", text)
}

func parseLevel(text string) (slog.Level, error) {
	switch text {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("%.40q is none of debug, info, warn, error", text)
}

// parsePaths splits a list of file names at commas.
func parsePaths(text string) []Path {
	var paths []Path
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			paths = append(paths, Path(part))
		}
	}
	return paths
}

// checkBounds compares v with the tags one, min and max.
func (o Option) checkBounds(v any) error {
	if s, ok := v.(string); ok && len(o.words) > 0 {
		for _, w := range o.words {
			if s == w {
				return nil
			}
		}
		return fmt.Errorf("%.40q is not known; known are: %s", s, strings.Join(o.words, ", "))
	}
	n, ok := number(v)
	if !ok {
		return nil
	}
	for _, bound := range []struct {
		text string
		sign int64
		word string
	}{{o.min, 1, "least"}, {o.max, -1, "most"}} {
		if bound.text == "" {
			continue
		}
		limit, err := parseAs(v, bound.text)
		if err != nil {
			return fmt.Errorf("config: bound of %s: %w", o.Name(), err)
		}
		if m, _ := number(limit); bound.sign*n < bound.sign*m {
			return fmt.Errorf("it is at %s %s", bound.word, bound.text)
		}
	}
	return nil
}

func number(v any) (int64, bool) {
	switch v := v.(type) {
	case int:
		return int64(v), true
	case Size:
		return int64(v), true
	case time.Duration:
		return int64(v), true
	}
	return 0, false
}
