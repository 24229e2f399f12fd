package protocol

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// field is one field of a Go struct as it appears on the wire.
type field struct {
	name string
	// key is the name as the protocol encodes it.
	key       []byte
	index     []int
	omitEmpty bool
	omitZero  bool
	// quoted is encoding/json's option "string".
	quoted bool
}

// structFields are the fields of one struct type in the order of their declaration, those of embedded structs
// included. err is set when the type has no sensible form on the wire.
type structFields struct {
	fields []field
	byName map[string]int
	err    error
}

// fieldCache derives structFields from types, once per type. It is safe for concurrent use.
type fieldCache struct {
	// tag is the key of the struct tag that names fields.
	tag string
	// rename gives fields without a tag their name.
	rename func(string) string
	// encode appends a name in the protocol's encoding.
	encode func(buffer []byte, name string) []byte
	types  typeCache[*structFields]
}

// candidate is a field that may yet lose its name to another one.
type candidate struct {
	field
	// goName is the tag's name or the name in Go: the one by which Go and encoding/json decide.
	goName string
	tagged bool
}

func (c *fieldCache) of(t reflect.Type) *structFields {
	return c.types.of(t, c.derive)
}

func (c *fieldCache) derive(t reflect.Type) *structFields {
	plan := &structFields{byName: make(map[string]int)}
	var candidates []candidate
	if err := c.collect(t, nil, map[reflect.Type]bool{}, &candidates); err != nil {
		plan.err = fmt.Errorf("%v: %w", t, err)
		return plan
	}
	for i := range candidates {
		one := &candidates[i]
		if !dominates(one, candidates) {
			continue
		}
		if _, taken := plan.byName[one.name]; taken {
			plan.err = fmt.Errorf("%v: two fields are named %q", t, one.name)
			return plan
		}
		one.key = c.encode(nil, one.name)
		plan.byName[one.name] = len(plan.fields)
		plan.fields = append(plan.fields, one.field)
	}
	return plan
}

// collect walks t and the structs embedded in it. open holds the types being walked, so that a struct that embeds a
// pointer to itself ends.
func (c *fieldCache) collect(t reflect.Type, prefix []int, open map[reflect.Type]bool, found *[]candidate) error {
	if open[t] {
		return nil
	}
	open[t] = true
	defer delete(open, t)
	for i := range t.NumField() {
		declared := t.Field(i)
		index := append(slices.Clone(prefix), i)
		tag := declared.Tag.Get(c.tag)
		name, options, _ := strings.Cut(tag, ",")
		embedded := embeddedStruct(declared)
		switch {
		case tag == "-", !declared.IsExported() && embedded == nil:
		case embedded != nil && name == "":
			if err := c.collect(embedded, index, open, found); err != nil {
				return err
			}
		case declared.IsExported():
			*found = append(*found, c.candidate(declared, name, options, index))
		default:
			return fmt.Errorf("%s must be exported to be named %q", declared.Name, name)
		}
	}
	return nil
}

func (c *fieldCache) candidate(declared reflect.StructField, name, options string, index []int) candidate {
	has := func(option string) bool { return slices.Contains(strings.Split(options, ","), option) }
	one := candidate{
		goName: name, tagged: name != "",
		field: field{
			name: name, index: index,
			omitEmpty: has("omitempty"), omitZero: has("omitzero"), quoted: has("string"),
		},
	}
	if !one.tagged {
		one.goName, one.name = declared.Name, c.rename(declared.Name)
	}
	return one
}

func embeddedStruct(declared reflect.StructField) reflect.Type {
	t := declared.Type
	if !declared.Anonymous {
		return nil
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	return t
}

// dominates tells whether a field gets its name when several claim it. The rules are those of Go and encoding/json:
// the least nested wins; among those the one with a tag; if that leaves several, none. Two of one struct are not
// settled here but reported as a mistake.
func dominates(one *candidate, candidates []candidate) bool {
	parent := one.index[:len(one.index)-1]
	for i := range candidates {
		other := &candidates[i]
		if other == one || other.goName != one.goName || slices.Equal(parent, other.index[:len(other.index)-1]) {
			continue
		}
		if !outranks(one, other) {
			return false
		}
	}
	return true
}

func outranks(a, b *candidate) bool {
	if len(a.index) != len(b.index) {
		return len(a.index) < len(b.index)
	}
	return a.tagged && !b.tagged
}

// omits tells whether an option of the field leaves out this value.
func (f *field) omits(value reflect.Value) bool {
	return f.omitEmpty && isEmpty(value) || f.omitZero && isZero(value)
}

func isEmpty(value reflect.Value) bool {
	switch value.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return value.Len() == 0
	case reflect.Struct:
		return false
	default:
		return value.IsZero()
	}
}

func isZero(value reflect.Value) bool {
	if zeroer, ok := value.Interface().(interface{ IsZero() bool }); ok {
		if value.Kind() == reflect.Pointer && value.IsNil() {
			return true
		}
		return zeroer.IsZero()
	}
	return value.IsZero()
}

// get follows the field's path into a struct. It returns false if an embedded pointer on the way is nil.
func (f *field) get(value reflect.Value) (reflect.Value, bool) {
	if len(f.index) == 1 {
		return value.Field(f.index[0]), true
	}
	for i, position := range f.index {
		if i > 0 && value.Kind() == reflect.Pointer {
			if value.IsNil() {
				return reflect.Value{}, false
			}
			value = value.Elem()
		}
		value = value.Field(position)
	}
	return value, true
}

// reach is get for writing: it makes the embedded structs on the way.
func (f *field) reach(value reflect.Value) (reflect.Value, error) {
	for i, position := range f.index {
		if i > 0 && value.Kind() == reflect.Pointer {
			if value.IsNil() && !value.CanSet() {
				return reflect.Value{}, fmt.Errorf("%s is in an embedded %v, which only its package can make", f.name, value.Type())
			}
			if value.IsNil() {
				value.Set(reflect.New(value.Type().Elem()))
			}
			value = value.Elem()
		}
		value = value.Field(position)
	}
	return value, nil
}

// camelCase is System.Text.Json's camel case, which clients expect: it lowers the first letter, and of a leading run of
// capitals all but the one that starts the next word. UserName is userName, ID is id, URLPath is urlPath.
func camelCase(name string) string {
	letters := []rune(name)
	for i, letter := range letters {
		last := i == len(letters)-1
		if i < 2 && !unicode.IsUpper(letter) || i > 0 && !last && !unicode.IsUpper(letters[i+1]) {
			break
		}
		letters[i] = unicode.ToLower(letter)
	}
	return string(letters)
}
