package host

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/chatcluster/chatcluster/server/host/config"
)

// reloadInterval is how often files with values are read. They are few and small: reading them takes microseconds, and
// their contents tell changes that time stamps may hide.
const reloadInterval = time.Second

// reloads takes over values of the configuration that change in their files while the server runs: passwords and keys,
// which Kubernetes replaces in the volumes of its Secrets.
type reloads struct {
	logger *slog.Logger
	// counted is told of each change whether it was used.
	counted func(key string, used bool)
	groups  []*reload
}

// value is a value of the configuration and the file that it is from, "" for one that does not change.
type value struct {
	key, text, file string
	// optional values may go: then their text is empty.
	optional bool
}

// now returns what the file holds, or false if it cannot be told: a file that cannot be read is about to be replaced, and
// if it is not, the next start says what is wrong.
func (v *value) now() (text string, ok bool) {
	if v.file == "" {
		return v.text, true
	}
	text, err := config.ReadValue(v.file)
	return text, err == nil || v.optional && config.IsAbsent(err)
}

// reload is a group of values that are used together.
type reload struct {
	values []value
	use    func(texts []string) error
}

// watch adds values that use gets, in their order, when one of them has changed. What use refuses is not tried again
// until it has changed once more. It is called before run.
func (r *reloads) watch(use func(texts []string) error, values ...value) {
	if slices.ContainsFunc(values, func(value value) bool { return value.file != "" }) {
		r.groups = append(r.groups, &reload{values: values, use: use})
	}
}

// run looks at the files until ctx ends.
func (r *reloads) run(ctx context.Context) {
	if len(r.groups) == 0 {
		return
	}
	ticker := time.NewTicker(reloadInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			r.look()
		}
	}
}

// look reads all files once.
func (r *reloads) look() {
	for _, group := range r.groups {
		if changed := group.read(); len(changed) > 0 {
			r.apply(group, strings.Join(changed, ", "))
		}
	}
}

// read returns the keys whose values have changed.
func (g *reload) read() (changed []string) {
	for at := range g.values {
		value := &g.values[at]
		if text, ok := value.now(); ok && text != value.text {
			value.text = text
			changed = append(changed, value.key)
		}
	}
	return changed
}

func (r *reloads) apply(group *reload, changed string) {
	texts := make([]string, 0, len(group.values))
	for _, value := range group.values {
		texts = append(texts, value.text)
	}
	err := group.use(texts)
	r.counted(changed, err == nil)
	if err != nil {
		r.logger.Error("cannot use a value that has changed in its file, the old one stays in use", "key", changed, "error", err)
		return
	}
	r.logger.Info("using a value that has changed in its file", "key", changed)
}
