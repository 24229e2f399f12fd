package signalr

import "testing"

func TestFewerLeaveWhileManyAreUnderway(t *testing.T) {
	for _, test := range []struct{ most, underway, want int }{
		{10, 0, 10},
		{400, 0, maximumUnderway},
		{400, maximumUnderway - 1, 1},
		{400, maximumUnderway, 0},
		{400, maximumUnderway + 7, 0},
		{0, 0, 0},
	} {
		if got := mayLeave(test.most, test.underway); got != test.want {
			t.Errorf("with %d under way, %d of %d may leave, want %d", test.underway, got, test.most, test.want)
		}
	}
}
