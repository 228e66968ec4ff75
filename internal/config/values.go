package config

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
)

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
