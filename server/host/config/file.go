package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"sigs.k8s.io/yaml"
)

// The limits of a file: it is refused before it can hurt, were it given as /dev/zero.
const (
	maximumFileSize  = 1 << 20
	maximumFileDepth = 10
)

// fileKey is the key of the file itself. It cannot be in the file.
func fileKey(file *string) Key {
	return Key{
		Name: "Config", Group: "File", Value: File(file),
		Description: "JSON or YAML file with keys, flat or nested: {Redis: {Connection: ...}} is RedisConnection. Names are read in any case, with or without dashes.",
	}
}

// sections are objects in a file that only group keys.
var sections = [...]string{"SignalR", "ChatCluster"}

// ReadFile reads a configuration file of reasonable size.
func ReadFile(name string) ([]byte, error) {
	file, err := os.Open(name) //nolint:gosec // whoever starts a program says which file it reads
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(io.LimitReader(file, maximumFileSize+1))
	if err != nil {
		return nil, err
	}
	if len(content) > maximumFileSize {
		return nil, fmt.Errorf("%s has more than %s", name, formatSize(maximumFileSize))
	}
	return content, nil
}

// readFile returns what a JSON or YAML file has for keys.
func readFile(keys []Key, name string, read func(string) ([]byte, error)) ([]given, error) {
	if read == nil {
		read = ReadFile
	}
	origin := Origin{SourceFile, name}
	content, err := read(name)
	if err != nil {
		return nil, &Error{Origin: origin, Reason: "cannot read the configuration file: " + err.Error()}
	}
	leaves, err := parseFile(content)
	if err != nil {
		return nil, &Error{Origin: origin, Reason: fmt.Sprintf("file %s %v", name, err)}
	}
	return assign(keys, leaves, origin)
}

// assign finds the key of each leaf of the file.
func assign(keys []Key, leaves []leaf, origin Origin) ([]given, error) {
	known := fileNames(keys[1:])
	var result []given
	seen := map[string]string{}
	for _, one := range leaves {
		key, found := known[squash(one.path)]
		if !found {
			return nil, unknownInFile(keys, one.path, origin)
		}
		if before, twice := seen[key.Name]; twice {
			return nil, &Error{Key: key.Name, Origin: origin, Reason: fmt.Sprintf("is given twice, as %s and as %s", before, one.path)}
		}
		seen[key.Name] = one.path
		if one.problem == "" && one.list && !key.Value.List {
			one.problem = "is a list; allowed is one value"
		}
		if one.problem != "" {
			return nil, &Error{Key: key.Name, Origin: origin, Reason: one.problem}
		}
		result = append(result, given{key: key.Name, text: one.text, origin: origin})
	}
	return result, nil
}

// fileNames maps all squashed names that may stand in a file to their keys.
func fileNames(keys []Key) map[string]Key {
	result := map[string]Key{}
	for _, key := range keys {
		for _, name := range append([]string{key.Name}, key.Aliases...) {
			result[squash(name)] = key
			for _, section := range sections {
				result[squash(section+name)] = key
			}
		}
	}
	return result
}

func unknownInFile(keys []Key, path string, origin Origin) error {
	if squash(path) == squash(keys[0].Name) {
		return &Error{Origin: origin, Reason: fmt.Sprintf("key %s in file %s is not allowed: a file cannot name another one", quote(path), origin.Name)}
	}
	var names []string
	for _, key := range keys[1:] {
		names = append(names, key.Name)
	}
	name := path
	for _, section := range sections {
		if rest, found := strings.CutPrefix(squash(path), squash(section)); found && rest != "" {
			name = rest
		}
	}
	return &Error{Origin: origin, Reason: fmt.Sprintf("unknown key %s in file %s%s", quote(path), origin.Name, suggestion(name, names))}
}

// leaf is one value in a file: the names of the objects around it and its own, joined by colons, and its text.
type leaf struct {
	path    string
	text    string
	list    bool
	problem string
}

// parseFile returns the leaves of a JSON or YAML document in their order.
func parseFile(content []byte) ([]leaf, error) {
	content = bytes.TrimSpace(bytes.TrimPrefix(content, []byte("\xEF\xBB\xBF")))
	// YAML is asked only about what is no JSON: it would refuse JSON that is indented with tabs.
	if !json.Valid(content) {
		converted, err := yaml.YAMLToJSONStrict(content)
		if err != nil {
			return nil, fmt.Errorf("is neither JSON nor YAML with unique keys: %w", err)
		}
		content = converted
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	token, err := decoder.Token()
	switch {
	case err != nil:
		return nil, err
	case token == nil: // an empty file
		return nil, nil
	case token != json.Delim('{'):
		return nil, errors.New("has no keys; allowed are lines such as KeepAliveInterval: 15s")
	}
	walk := walker{decoder: decoder}
	err = walk.object("", 1)
	return walk.leaves, err
}

// walker collects the leaves of a JSON document. It sees names that are given twice, which a map would hide.
type walker struct {
	decoder *json.Decoder
	leaves  []leaf
}

func (w *walker) object(path string, depth int) error {
	if depth > maximumFileDepth {
		return fmt.Errorf("nests objects more than %d deep", maximumFileDepth)
	}
	for w.decoder.More() {
		name, err := w.decoder.Token()
		if err != nil {
			return err
		}
		inner := fmt.Sprint(name)
		if path != "" {
			inner = path + ":" + inner
		}
		if err := w.value(inner, depth); err != nil {
			return err
		}
	}
	_, err := w.decoder.Token()
	return err
}

func (w *walker) value(path string, depth int) error {
	token, err := w.decoder.Token()
	switch {
	case err != nil:
		return err
	case token == json.Delim('{'):
		return w.object(path, depth+1)
	case token == json.Delim('['):
		return w.array(path)
	}
	one := leaf{path: path}
	one.text, one.problem = scalar(token)
	w.leaves = append(w.leaves, one)
	return nil
}

// array joins the items of a list as a flag would have them.
func (w *walker) array(path string) error {
	one := leaf{path: path, list: true}
	var items []string
	for w.decoder.More() {
		token, err := w.decoder.Token()
		if err != nil {
			return err
		}
		if _, nested := token.(json.Delim); nested {
			return fmt.Errorf("has a list in %s that holds more than single values", path)
		}
		text, problem := scalar(token)
		if problem != "" {
			one.problem = problem
		}
		items = append(items, text)
	}
	one.text = strings.Join(items, ",")
	w.leaves = append(w.leaves, one)
	_, err := w.decoder.Token()
	return err
}

// scalar is the text of a single value, or what is wrong with it.
func scalar(token json.Token) (text, problem string) {
	if token == nil {
		return "", "is null; leave the key out for its default, or give a value"
	}
	return fmt.Sprint(token), ""
}
