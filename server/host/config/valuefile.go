package config

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// ReadValue returns the value that a file holds: all of it but the end of its last line. Its error continues a sentence
// that begins with the file.
func ReadValue(name string) (string, error) { return readValue(name, ReadFile) }

func readValue(name string, read func(string) ([]byte, error)) (string, error) {
	content, err := read(name)
	if problem, ok := errors.AsType[*fs.PathError](err); ok {
		err = problem.Err // the caller names the file
	}
	if err != nil {
		return "", fmt.Errorf("cannot be read: %w", err)
	}
	text := strings.TrimRight(string(content), "\r\n")
	if text == "" {
		return "", errEmptyFile
	}
	return text, nil
}

var errEmptyFile = errors.New("is empty")

// IsAbsent tells errors of ReadValue that mean that there is no value: no file, or nothing in it.
func IsAbsent(err error) bool { return errors.Is(err, errEmptyFile) || errors.Is(err, fs.ErrNotExist) }

// readValues sets the keys whose values are in files of their own.
func (l *Loaded) readValues(read func(string) ([]byte, error)) error {
	if read == nil {
		read = ReadFile
	}
	for at := range l.Entries {
		key := l.Entries[at].Key
		if key.FileKey == "" {
			continue
		}
		file := slices.IndexFunc(l.Entries, func(entry Entry) bool { return entry.Key.Name == key.FileKey })
		if file < 0 || l.Entries[file].Key.Value.Text() == "" {
			continue
		}
		if err := l.Entries[at].readFrom(&l.Entries[file], read); err != nil {
			return err
		}
	}
	return nil
}

// readFrom sets a key from the file that another key names, unless the key itself is given somewhere that counts more.
func (e *Entry) readFrom(file *Entry, read func(string) ([]byte, error)) error {
	switch {
	case e.Origin.Source > file.Origin.Source:
		e.Overridden = append(e.Overridden, Origin{SourceKey, file.Key.Name})
		return file.Key.Value.Set("")
	case e.Origin.Source != SourceDefault && e.Origin.Source == file.Origin.Source:
		return &Error{Key: e.Key.Name, Origin: e.Origin, Reason: fmt.Sprintf("is given, and so is %s (%s); give one of them", file.Key.Name, file.Origin)}
	case e.Origin.Source != SourceDefault:
		e.Overridden = append([]Origin{e.Origin}, e.Overridden...)
	}
	name := file.Key.Value.Text()
	text, err := readValue(name, read)
	if e.Key.FileOptional && IsAbsent(err) {
		err = nil
	}
	if err != nil {
		return &Error{Key: file.Key.Name, Origin: file.Origin, Reason: quote(name) + " " + err.Error(), Err: errors.Unwrap(err)}
	}
	if err := e.Key.Value.Set(text); err != nil {
		return &Error{Key: file.Key.Name, Origin: file.Origin, Reason: quote(name) + " has a value (not shown) that " + err.Error()}
	}
	e.Origin = Origin{SourceKey, file.Key.Name}
	return nil
}
