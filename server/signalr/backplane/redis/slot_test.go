package redis

import "testing"

// The numbers are those of CLUSTER KEYSLOT.
func TestSlotsAreThoseOfRedis(t *testing.T) {
	for name, want := range map[string]int{
		"": 0, "123456789": 12739, "foo": 12182, "{foo}.bar": 12182, "foo{}{bar}": 8363, "foo{{bar}}zap": 4015, "foo{bar}{zap}": 5061, "Chat:all": 7006,
	} {
		if got := slotOf(name); got != want {
			t.Errorf("slot of %q is %d, want %d", name, got, want)
		}
	}
}
