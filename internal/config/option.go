package config

import (
	"errors"
	"fmt"
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
