package redisform

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
)

// Digest is how plans know a password: they have none themselves.
func Digest(password string) string {
	sum := sha256.Sum256([]byte(password))
	return hex.EncodeToString(sum[:])
}

// party is a member of either kind.
type party struct {
	*Member
	*Answer
}

// parties are all members that answered.
func (f Facts) parties() []party {
	all := make([]party, 0, len(f.Servers)+len(f.Sentinels))
	for i := range f.Servers {
		all = append(all, party{&f.Servers[i].Member, &f.Servers[i].Answer})
	}
	for i := range f.Sentinels {
		all = append(all, party{&f.Sentinels[i].Member, &f.Sentinels[i].Answer})
	}
	return slices.DeleteFunc(all, func(one party) bool { return !one.Reached })
}

// upkeep brings settings, passwords and certificates to what they should be while everything runs.
func (p *planner) upkeep() {
	for i := range p.facts.Servers {
		server := &p.facts.Servers[i]
		if !server.Reached {
			continue
		}
		for _, key := range slices.Sorted(maps.Keys(p.wanted.Settings)) {
			if is, known := server.Settings[key]; known && is != p.wanted.Settings[key] {
				p.do(Step{Action: Set, Member: server.Name, Key: key, Value: p.wanted.Settings[key]})
			}
		}
		if p.showsAnother(server) {
			p.do(Step{Action: Certify, Member: server.Name})
		}
	}
	p.passwords()
}

// showsAnother tells whether a server shows another certificate than the one that is wanted. It has the new one in its files only
// after a while.
func (p *planner) showsAnother(server *Server) bool {
	return p.wanted.Certificate != "" && server.Certificate != "" && server.Certificate != p.wanted.Certificate
}

// passwords never lets anyone use what another does not accept: a password is accepted by all before it is used, and
// used by none before it is forgotten.
func (p *planner) passwords() {
	parties := p.facts.parties()
	introduced := p.admit(parties)
	if introduced && p.identify(parties) {
		p.dismiss(parties)
	}
}

// admit tells whether all know all passwords that are wanted.
func (p *planner) admit(parties []party) bool {
	all := true
	for _, one := range parties {
		for _, user := range slices.Sorted(maps.Keys(p.wanted.Passwords)) {
			if has, known := one.Passwords[user]; known && !containsAll(has, p.wanted.Passwords[user]) {
				p.do(Step{Action: Admit, Member: one.Name, User: user})
				all = false
			}
		}
	}
	return all
}

// identify tells whether all use the password that is wanted. Sentinels take it up one at a time: each loses its
// connections for a moment, and must not be missed while others do.
func (p *planner) identify(parties []party) bool {
	all := true
	if p.wanted.InternalPassword == "" {
		return all
	}
	sentinel := false
	for _, one := range parties {
		if one.InternalPassword == p.wanted.InternalPassword {
			continue
		}
		all = false
		if one.Kind == SentinelKind {
			if sentinel {
				continue
			}
			sentinel = true
		}
		p.do(Step{Action: Identify, Member: one.Name})
	}
	return all
}

func (p *planner) dismiss(parties []party) {
	for _, one := range parties {
		for _, user := range slices.Sorted(maps.Keys(p.wanted.Passwords)) {
			if has := one.Passwords[user]; !containsAll(p.wanted.Passwords[user], has) {
				p.do(Step{Action: Dismiss, Member: one.Name, User: user})
			}
		}
	}
}

func containsAll(set, subset []string) bool {
	return !slices.ContainsFunc(subset, func(one string) bool { return !slices.Contains(set, one) })
}
