package redisform

import "testing"

// TestWhoeverCannotBeToldAnythingIsReplaced: a pod that is outdated and does not work, or refuses the operator, is not waited for.
func TestWhoeverCannotBeToldAnythingIsReplaced(t *testing.T) {
	t.Parallel()
	refused := Answer{Problem: "WRONGPASS", Refused: true}
	for _, c := range []struct {
		name   string
		member Member
		answer Answer
		want   bool
	}{
		{"it does not work", Member{Outdated: true, Failing: true}, Answer{}, true},
		{"it does not answer", Member{Outdated: true}, Answer{}, false},
		{"it knows other passwords", Member{Outdated: true}, refused, true},
		{"it knows other passwords, as they are being exchanged", Member{}, refused, false},
		{"it ends already", Member{Outdated: true, Ending: true}, refused, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, v := newSentinelWorld(t, 3, 3, true), newClusterWorld(t, 3, 1, true)
			w.settle()
			v.settle()
			change := func(member *Member, answer *Answer) {
				member.Outdated, member.Failing, member.Ending, *answer = c.member.Outdated, c.member.Failing, c.member.Ending, c.answer
			}
			sentinel, server, node := w.facts(), w.facts(), v.facts()
			change(&sentinel.Sentinels[1].Member, &sentinel.Sentinels[1].Answer)
			change(&server.Servers[0].Member, &server.Servers[0].Answer)
			change(&node.Servers[0].Member, &node.Servers[0].Answer)
			node.Servers[0].Node = nil
			for kind, got := range map[string][]string{
				"Sentinel": Plan(w.now, sentinel, w.wanted, w.memory).Replace,
				"server":   Plan(w.now, server, w.wanted, w.memory).Replace,
				"node":     Plan(v.now, node, v.wanted, v.memory).Replace,
			} {
				if len(got) > 1 || (len(got) == 1) != c.want {
					t.Errorf("the %s: replaced are %v", kind, got)
				}
			}
		})
	}
}
