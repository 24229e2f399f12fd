package table_test

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chatcluster/chatcluster/hack/bench/table"
)

func TestRenderAlignsColumnsAndIsMarkdown(t *testing.T) {
	t.Parallel()
	rows := table.Table{Header: []string{"measure", "ours", "reference"}}
	rows.Section("at rest")
	rows.Add("memory, MiB", "20.5", "94.0")
	rows.Add("nothing", table.Missing)
	rows.Add("goal", "≥ 1.50× met", "1", "surplus")
	var got strings.Builder
	if err := rows.Render(&got); err != nil {
		t.Fatal(err)
	}
	want := strings.TrimPrefix(`
| measure     |        ours | reference |
| ----------- | ----------: | --------: |
| **at rest** |             |           |
| memory, MiB |        20.5 |      94.0 |
| nothing     |           – |           |
| goal        | ≥ 1.50× met |         1 |
`, "\n")
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("table differs (-want +got):\n%s", diff)
	}
}

func TestNumberGroupsThousands(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		value    float64
		decimals int
		want     string
	}{
		{0, 0, "0"},
		{999, 0, "999"},
		{1000, 0, "1,000"},
		{1234567.891, 2, "1,234,567.89"},
		{-1234.5, 1, "-1,234.5"},
		{-0.04, 1, "0.0"},
		{999.999, 1, "1,000.0"},
		{math.NaN(), 0, "–"},
		{math.Inf(1), 0, "–"},
	} {
		if got := table.Number(tc.value, tc.decimals); got != tc.want {
			t.Errorf("Number(%v, %d) is %q, want %q", tc.value, tc.decimals, got, tc.want)
		}
	}
}
