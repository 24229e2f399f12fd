package compare

import (
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/chatcluster/chatcluster/hack/bench/table"
)

// Outcome is what a comparison found. It encodes to JSON.
type Outcome struct {
	// Machine says where it was measured, Date when, Command how to do it again.
	Machine Machine `json:"machine"`
	Date    string  `json:"date"`
	Command string  `json:"command"`
	// Redis is its version.
	Redis string `json:"redis"`
	// Contenders are those that took part.
	Contenders []Column `json:"contenders"`
	// Absent has one line for each contender that could not.
	Absent []string `json:"absent,omitempty"`
	// Failures has one line for each measurement that failed; its round is missing in the row.
	Failures []string `json:"failures,omitempty"`
	// Rows are in the order of the table.
	Rows []*Row `json:"rows"`
}

// Column is one contender.
type Column struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
}

// Row is one measure.
type Row struct {
	Section string `json:"section"`
	Name    string `json:"name"`
	Unit    string `json:"unit,omitempty"`
	// Samples has every round's value, by contender.
	Samples map[string][]float64 `json:"samples"`
	// Values has what the table shows: medians, or sums where a fault is counted.
	Values map[string]float64 `json:"values"`
	// Ratios is the first contender's value over each other one's.
	Ratios map[string]float64 `json:"ratios,omitempty"`
	// Goal is the first contender's, in words; Met whether it is reached, null if that cannot be told.
	Goal string `json:"goal,omitempty"`
	Met  *bool  `json:"met,omitempty"`

	title   string
	measure measure
}

func newOutcome(resting section, traffics []traffic) *Outcome {
	sections := make([]section, 0, 1+len(traffics))
	sections = append(sections, resting)
	for _, t := range traffics {
		sections = append(sections, t.section)
	}
	o := &Outcome{}
	for _, s := range sections {
		for _, m := range s.measures {
			row := &Row{Section: s.key, Name: m.name, Unit: m.unit, Samples: map[string][]float64{}, title: s.title, measure: m}
			o.Rows = append(o.Rows, row)
		}
	}
	return o
}

// add notes one value. Values that are no number (a share of no time) are left out.
func (o *Outcome) add(contender string, s section, index int, value float64) {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return
	}
	name := s.measures[index].name
	for _, row := range o.Rows {
		if row.Section == s.key && row.Name == name {
			row.Samples[contender] = append(row.Samples[contender], value)
		}
	}
}

// Finish computes values, ratios and goals from the samples.
func (o *Outcome) Finish() {
	for _, row := range o.Rows {
		row.finish(o.Contenders)
	}
}

func (r *Row) finish(contenders []Column) {
	r.Values, r.Ratios = map[string]float64{}, map[string]float64{}
	for name, samples := range r.Samples {
		r.Values[name] = r.measure.combine(samples)
	}
	if len(contenders) == 0 {
		return
	}
	own, measured := r.Values[contenders[0].Name]
	for _, other := range contenders[1:] {
		if value, ok := r.Values[other.Name]; ok && measured && value != 0 {
			r.Ratios[other.Name] = own / value
		}
	}
	r.judge(contenders, own, measured)
}

func (m measure) combine(samples []float64) float64 {
	if m.sum {
		sum := 0.0
		for _, sample := range samples {
			sum += sample
		}
		return sum
	}
	return median(samples)
}

func median(samples []float64) float64 {
	sorted := slices.Sorted(slices.Values(samples))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// judge compares with the goal. Goals are set for the first of the built-in contenders only, against the second.
func (r *Row) judge(contenders []Column, own float64, measured bool) {
	g := r.measure.goal
	if g == nil || contenders[0].Name != Ours().Name {
		return
	}
	r.Goal = g.text(r.Unit)
	value, known := own, measured
	if g.ratio {
		value, known = r.Ratios[Reference("").Name]
	}
	if known {
		met := g.met(value)
		r.Met = &met
	}
}

func (g goal) met(value float64) bool {
	if g.atMost {
		return value <= g.limit
	}
	return value >= g.limit
}

func (g goal) text(unit string) string {
	sign := "≥"
	if g.atMost {
		sign = "≤"
	}
	switch {
	case g.ratio:
		return fmt.Sprintf("%s %.2f×", sign, g.limit)
	case g.limit == 0:
		return "0"
	default:
		return fmt.Sprintf("%s %g %s", sign, g.limit, unit)
	}
}

// Print writes where and how it was measured, the table, and what is missing.
func (o *Outcome) Print(out io.Writer) error {
	for _, line := range o.heading() {
		if _, err := fmt.Fprintln(out, line); err != nil {
			return fmt.Errorf("write outcome: %w", err)
		}
	}
	if err := o.table().Render(out); err != nil {
		return err
	}
	for _, failure := range o.Failures {
		if _, err := fmt.Fprintln(out, "FAILED "+failure); err != nil {
			return fmt.Errorf("write outcome: %w", err)
		}
	}
	return nil
}

func (o *Outcome) heading() []string {
	lines := []string{fmt.Sprintf("%s; Redis %s; %s", o.Machine, o.Redis, o.Date), "Command: " + o.Command}
	for _, column := range o.Contenders {
		if column.Version != "" {
			lines = append(lines, column.Name+": "+column.Version)
		}
	}
	return append(append(lines, o.Absent...), "")
}

func (o *Outcome) table() *table.Table {
	t := &table.Table{Header: []string{"measure"}}
	for _, column := range o.Contenders {
		t.Header = append(t.Header, column.Name)
	}
	for _, other := range o.Contenders[1:] {
		t.Header = append(t.Header, o.Contenders[0].Name+" / "+other.Name)
	}
	t.Header = append(t.Header, "goal")
	title := ""
	for _, row := range o.Rows {
		if row.title != title {
			title = row.title
			t.Section(title)
		}
		t.Add(row.cells(o.Contenders)...)
	}
	return t
}

func (r *Row) cells(contenders []Column) []string {
	name := r.Name
	if r.Unit != "" {
		name += ", " + r.Unit
	}
	cells := []string{name}
	for _, column := range contenders {
		cells = append(cells, number(r.Values, column.Name, r.measure.decimals, ""))
	}
	for _, other := range contenders[1:] {
		cells = append(cells, number(r.Ratios, other.Name, 2, "×"))
	}
	return append(cells, r.goalCell())
}

func number(values map[string]float64, name string, decimals int, unit string) string {
	value, ok := values[name]
	if !ok {
		return table.Missing
	}
	return table.Number(value, decimals) + unit
}

func (r *Row) goalCell() string {
	switch {
	case r.Goal == "" || r.Met == nil:
		return r.Goal
	case *r.Met:
		return r.Goal + " met"
	default:
		return r.Goal + " MISSED"
	}
}
