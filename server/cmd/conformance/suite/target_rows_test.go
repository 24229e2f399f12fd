package suite

import "testing"

var targetRows = []row{
	{id: "G1", name: "all, others, caller, all except", run: everywhere(func(x *trial, p *place) {
		a, b, c := p.connect(), p.connect(), p.connect()
		a.invoke("Broadcast", x.tag("all"))
		each(a, b, c).expectReceive("all")
		a.invoke("BroadcastOthers", x.tag("others"))
		each(b, c).expectReceive("others")
		a.invoke("SendCaller", x.tag("caller"))
		a.expectReceive("caller")
		a.invoke("BroadcastExcept", []string{b.id, "nobody"}, x.tag("except"))
		each(a, c).expectReceive("except")
		a.invoke("SendClient", b.id, x.tag("client"))
		b.expectReceive("client")
		a.invoke("SendClients", []string{b.id, c.id, "nobody"}, x.tag("clients"))
		each(b, c).expectReceive("clients")
		a.invoke("Broadcast", x.tag("end"))
		each(a, b, c).expectReceive("end")
	})},
	{id: "G2", name: "joining twice", run: everywhere(func(x *trial, p *place) {
		a, b := p.connect(), p.connect()
		b.invoke("JoinGroup", x.tag("g"))
		b.invoke("JoinGroup", x.tag("g"))
		a.invoke("SendGroup", x.tag("g"), x.tag("once"))
		a.invoke("SendGroup", x.tag("g"), x.tag("end"))
		b.expectReceive("once", "end")
	})},
	{id: "G3", name: "leaving", run: everywhere(func(x *trial, p *place) {
		a, b := p.connect(), p.connect()
		b.invoke("JoinGroup", x.tag("g"))
		a.invoke("SendGroup", x.tag("g"), x.tag("member"))
		b.expectReceive("member")
		b.invoke("LeaveGroup", x.tag("g"))
		b.invoke("LeaveGroup", x.tag("g"))
		a.invoke("SendGroup", x.tag("g"), x.tag("left"))
		a.invoke("Broadcast", x.tag("end"))
		b.expectReceive("end")
	})},
	{id: "G4", name: "a member that is gone", run: everywhere(func(x *trial, p *place) {
		a, b, c := p.connect(), p.connect(), p.connect()
		each(b, c).join(x.tag("g"))
		b.wire.cut()
		x.observer(b.server).expectEndOf(b.id)
		a.invoke("SendGroup", x.tag("g"), x.tag("a"))
		c.expectReceive("a")
		c.wire.cut()
		x.observer(c.server).expectEndOf(c.id)
		a.invoke("SendGroup", x.tag("g"), x.tag("nobody"))
	})},
	{id: "G5", name: "group except", run: everywhere(func(x *trial, p *place) {
		a, b, c := p.connect(), p.connect(), p.connect()
		each(a, b, c).join(x.tag("g"))
		a.invoke("SendGroupExcept", x.tag("g"), []string{b.id}, x.tag("except"))
		each(a, c).expectReceive("except")
		a.invoke("SendOthersInGroup", x.tag("g"), x.tag("others"))
		each(b, c).expectReceive("others")
		a.invoke("SendGroup", x.tag("g"), x.tag("end"))
		each(a, b, c).expectReceive("end")
	})},
	{id: "G6", name: "overlapping groups", run: everywhere(func(x *trial, p *place) {
		a, b, c := p.connect(), p.connect(), p.connect()
		each(b, c).join(x.tag("g"))
		b.invoke("JoinGroup", x.tag("h"))
		a.invoke("SendGroups", []string{x.tag("g"), x.tag("h")}, x.tag("a"))
		b.expectReceive("a", "a")
		c.expectReceive("a")
		a.invoke("SendGroup", x.tag("g"), x.tag("end"))
		each(b, c).expectReceive("end")
	})},
	{id: "G7", name: "a user with two connections", run: everywhere(func(x *trial, p *place) {
		a := p.connect()
		user, other := x.tag("ann"), x.tag("Ann")
		b := p.connectBy(how{bearer: x.token(a.server, user)})
		c := p.connectBy(how{bearer: x.token(a.server, user)})
		d := p.connectBy(how{bearer: x.token(a.server, other)})
		a.invoke("SendUser", user, x.tag("both"))
		each(b, c).expectReceive("both")
		b.wire.cut()
		x.observer(b.server).expectEndOf(b.id)
		a.invoke("SendUser", user, x.tag("one"))
		c.expectReceive("one")
		a.invoke("SendUsers", []string{user, other, x.tag("nobody")}, x.tag("users"))
		each(c, d).expectReceive("users")
	})},
	{id: "G8", name: "both protocols", run: everywhere(func(x *trial, p *place) {
		a, b := p.connect(), p.connectBy(how{packed: true})
		c, d := p.connectBy(how{packed: true}), p.connect()
		each(a, b, c, d).join(x.tag("g"))
		a.invoke("SendGroup", x.tag("g"), x.tag("from JSON"))
		each(a, b, c, d).expectReceive("from JSON")
		b.invoke("SendGroup", x.tag("g"), x.tag("from MessagePack"))
		each(a, b, c, d).expectReceive("from MessagePack")
	})},
	{id: "G9", name: "a new connection is in no group", run: everywhere(func(x *trial, p *place) {
		a, b := p.connect(), p.connect()
		each(a, b).join(x.tag("g"))
		b.wire.cut()
		x.observer(b.server).expectEndOf(b.id)
		again := x.connect(b.server)
		again.invoke("Echo", "registered")
		a.invoke("SendGroup", x.tag("g"), x.tag("members"))
		a.expectReceive("members")
		a.invoke("Broadcast", x.tag("end"))
		again.expectReceive("end")
	})},
	{id: "G10", name: "unknown names", run: everywhere(func(x *trial, p *place) {
		a := p.connect()
		for _, target := range []string{"SendClient", "SendGroup", "SendUser"} {
			check(x, target, a.invoke(target, "nope", x.tag("a")), nil)
		}
		for _, target := range []string{"SendClients", "SendGroups", "SendUsers"} {
			check(x, target, a.invoke(target, []string{"nope"}, x.tag("a")), nil)
		}
		check(x, "LeaveGroup", a.invoke("LeaveGroup", "nope"), nil)
	})},
}

// place is where the clients of a row are: all on one server, or in turn on two.
type place struct {
	x       *trial
	servers []*server
	next    int
}

// everywhere is a row that holds on one server and on two with one Redis.
func everywhere(run func(x *trial, p *place)) func(*trial) {
	return func(x *trial) {
		x.Helper()
		if !x.implementation.mixed {
			x.sub("one server", func(x *trial) {
				// The rows of other sections count messages: no broadcast may come between.
				run(x, &place{x: x, servers: []*server{x.server("ROWS=targets")}})
			})
		}
		x.sub("two servers", func(x *trial) {
			nodes := x.backplane()
			run(x, &place{x: x, servers: []*server{nodes.node(0), nodes.node(1)}})
		})
	}
}

// sub runs a part of a row, with a tag of its own.
func (x *trial) sub(name string, run func(x *trial)) {
	x.Run(name, func(t *testing.T) {
		run(&trial{T: t, implementation: x.implementation, row: x.row + "/" + name})
	})
}

func (p *place) connect() *client {
	p.x.Helper()
	return p.connectBy(how{})
}

func (p *place) connectBy(h how) *client {
	p.x.Helper()
	p.next++
	c := p.x.connectBy(p.servers[(p.next-1)%len(p.servers)], h)
	c.invoke("Echo", "registered")
	return c
}

// several is clients of which the same is expected.
type several []*client

func each(clients ...*client) several { return clients }

func (s several) expectReceive(texts ...string) {
	for _, c := range s {
		c.x.Helper()
		c.expectReceive(texts...)
	}
}

func (s several) join(group string) {
	for _, c := range s {
		c.x.Helper()
		c.invoke("JoinGroup", group)
	}
}
