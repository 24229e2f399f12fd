package redisform

import "testing"

// TestACertificateIsExchangedOnceAllShowIt: users see that it is on its way until the last server shows it.
func TestACertificateIsExchangedOnceAllShowIt(t *testing.T) {
	t.Parallel()
	w := newSentinelWorld(t, 3, 3, true)
	w.settle()
	facts, wanted := w.facts(), w.wanted
	wanted.Certificate = "new"
	for i := range facts.Servers {
		facts.Servers[i].Certificate = "new"
	}
	facts.Servers[2].Certificate = "old"
	out := Plan(w.now, facts, wanted, w.memory)
	if steps := lines(out.Steps); steps != "Certify redis-2" || !out.Status.Changing {
		t.Errorf("with one server left: steps %q, changing %v", steps, out.Status.Changing)
	}
	facts.Servers[2].Certificate = "new"
	if out := Plan(w.now, facts, wanted, w.memory); len(out.Steps) > 0 || out.Status.Changing {
		t.Errorf("with none left: steps %q, changing %v", lines(out.Steps), out.Status.Changing)
	}
}
