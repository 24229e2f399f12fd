package suite

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

var backplaneRows = []row{
	{id: "B1", name: "a publication of another program", run: func(x *trial) {
		n := x.backplane()
		a, b := n.connect(0), n.connectBy(1, how{packed: true})
		n.publish(hubName+":all", []any{[]any{}, x.encodings("raw")})
		each(a, b).expectReceive("raw")
		n.publish(hubName+":all", []any{[]any{}, x.encodings("longer"), "further"})
		each(a, b).expectReceive("longer")
	}},
	{id: "B2", name: "excluded connections", run: func(x *trial) {
		n := x.backplane()
		a, b := n.connect(0), n.connect(1)
		each(a, b).join(x.tag("g"))
		n.publish(hubName+":all", []any{[]any{a.id, "nobody"}, x.encodings("all but a")})
		n.publish(hubName+":all", []any{[]any{b.id}, x.encodings("all but b")})
		a.expectReceive("all but b")
		b.expectReceive("all but a")
		n.publish(hubName+":group:"+x.tag("g"), []any{[]any{a.id}, x.encodings("group but a")})
		n.publish(hubName+":group:"+x.tag("g"), []any{[]any{}, x.encodings("end")})
		a.expectReceive("end")
		b.expectReceive("group but a", "end")
	}},
	{id: "B3", name: "names of channels", run: channelNames},
	{id: "B4", name: "groups of other servers' connections", run: remoteGroups},
	{id: "B5", name: "groups of unknown connections", run: func(x *trial) {
		c := x.backplane().connect(0)
		started := time.Now()
		check(x, "error", c.fail("JoinGroupFor", x.tag("nobody"), x.tag("g")),
			"An unexpected error occurred invoking 'JoinGroupFor' on the server.")
		x.within("the failure", time.Since(started), 28*time.Second, 2*patience)
	}},
	{id: "B6", name: "no detour to a local connection", run: func(x *trial) {
		n := x.backplane()
		a, b := n.connect(0), n.connect(0)
		heard := n.listen(hubName + ":*")
		a.invoke("SendClient", b.id, x.tag("local"))
		b.expectReceive("local")
		a.invoke("SendGroup", x.tag("end"), x.tag("end"))
		for {
			channel, _ := n.hear(heard, hubName)
			if channel == hubName+":connection:"+b.id {
				x.Fatal("a message to a connection of the same server was published")
			}
			if channel == hubName+":group:"+x.tag("end") {
				return
			}
		}
	}},
	{id: "B7", name: "pattern characters", run: func(x *trial) {
		n := x.backplane()
		for _, pattern := range []string{"*", "g?", "[a-z]*"} {
			user := x.tag(pattern)
			a := n.connect(0)
			b := n.connectBy(1, how{bearer: x.token(a.server, user)})
			check(x, "user id", b.invoke("UserId"), any(user))
			b.invoke("JoinGroup", user)
			a.invoke("SendGroup", x.tag("g1"), x.tag("other group"))
			a.invoke("SendUser", x.tag("g1"), x.tag("other user"))
			a.invoke("SendGroup", user, x.tag("group"))
			b.expectReceive("group")
			a.invoke("SendUser", user, x.tag("user"))
			b.expectReceive("user")
		}
	}},
	{id: "B8", name: "results of other servers' clients", run: remoteResults},
	{id: "B9", name: "a publication without the client's protocol", run: func(x *trial) {
		n := x.backplane()
		watch := x.observer(n.node(0))
		c := n.connectBy(0, how{packed: true})
		encodings := x.encodings("gap")
		delete(encodings, "messagepack")
		n.publish(hubName+":connection:"+c.id, []any{[]any{}, encodings})
		c.expectPackedClose()
		watch.expectEndOf(c.id)
	}},
	{id: "B10", name: "channels are left", run: func(x *trial) {
		n := x.backplane()
		channel := hubName + ":group:" + x.tag("g")
		a, b := n.connect(0), n.connect(0)
		each(a, b).join(x.tag("g"))
		check(x, "subscribers with two members", n.subscribers(channel), 1)
		a.invoke("LeaveGroup", x.tag("g"))
		b.invoke("SendGroup", x.tag("g"), x.tag("one"))
		b.expectReceive("one")
		check(x, "subscribers with one member", n.subscribers(channel), 1)
		b.wire.cut()
		x.eventually("the group's channel is left", func() bool { return n.subscribers(channel) == 0 })
		x.eventually("the connection's channel is left", func() bool { return n.subscribers(hubName+":connection:"+b.id) == 0 })
	}},
	{id: "B11", name: "names stay as the sender wrote them", run: func(x *trial) {
		n := x.backplane()
		c := n.connect(0)
		const text = `{"type":1, "target":"Named","arguments":[{"UserName":"x","camelCase":1,"snake_case":[]}]}`
		n.publish(hubName+":connection:"+c.id, []any{[]any{}, map[string]any{"json": []byte(text + "\x1e")}})
		c.expect(text)
	}},
	{id: "B12", name: "Redis restarts", run: restartRedis},
	{id: "B13", name: "no Redis at connect", run: func(x *trial) {
		port, err := freePort()
		x.must(err)
		redis := x.ownRedis(port) // our server takes no clients before it has found its Redis once
		s := x.server(fmt.Sprintf("REDIS_CONNECTION=127.0.0.1:%d,abortConnect=false,connectTimeout=1000,asyncTimeout=1000", port), "HANDSHAKE_TIMEOUT=3")
		redis.stop()
		c := x.connectBy(s, how{silent: true, skip: true, query: "welcome=hi"})
		c.send(handshake)
		for {
			message, err := c.next()
			if err == nil {
				if strings.Contains(string(message), "Welcome") {
					x.Fatal("OnConnected has run")
				}
				continue
			}
			check(x, "end", err.Error(), (&closeError{code: 1011}).Error())
			return
		}
	}},
	{id: "B14", name: "a message while the client is away", run: func(x *trial) {
		n := x.backplane()
		a, b := n.connect(0), n.connectBy(1, how{stateful: true})
		b.invoke("JoinGroup", x.tag("g"))
		b.wire.cut()
		a.invoke("SendGroup", x.tag("g"), x.tag("away"))
		a.invoke("Broadcast", x.tag("all"))
		b.reconnect()
		b.expect(sequence(1), completed("call1", "registered"), `{"type":3,"invocationId":"call2","result":null}`)
		// One channel keeps the order of its messages; the reference reads its channels independently of each other.
		b.expectReceiveInAnyOrder("away", "all")
	}},
	{id: "B15", name: "prefixes", run: func(x *trial) {
		n, other := x.backplane(), x.redis().cluster(x, "other."+x.implementation.name)
		database := &cluster{x: x, environment: []string{n.environment[0] + ",defaultDatabase=5", n.environment[1]}}
		other.node(1)
		database.node(1)
		a, b, c := n.connect(0), other.connect(1), database.connect(1)
		a.invoke("Broadcast", x.tag("first prefix"))
		b.invoke("Broadcast", x.tag("second prefix"))
		each(a, c).expectReceive("first prefix")
		b.expectReceive("second prefix")
		c.invoke("Broadcast", x.tag("end"))
		b.invoke("Broadcast", x.tag("end"))
		each(a, b, c).expectReceive("end")
	}},
}

// encodings is a call of Receive in both protocols, as servers publish it.
func (x *trial) encodings(text string) map[string]any {
	return map[string]any{
		"json":        []byte(`{"type":1,"target":"Receive","arguments":["` + x.tag(text) + "\"]}\x1e"),
		"messagepack": framed(pack(1, empty, nil, "Receive", []any{x.tag(text)}, []any{})),
	}
}

func channelNames(x *trial) {
	n := x.backplane()
	user := x.tag("ann")
	c := n.connectBy(0, how{bearer: x.token(n.node(0), user)})
	c.invoke("JoinGroup", x.tag("g"))
	check(x, "subscribers of the connection", n.subscribers(hubName+":connection:"+c.id), 1)
	check(x, "subscribers of the user", n.subscribers(hubName+":user:"+user), 1)
	check(x, "subscribers of the group", n.subscribers(hubName+":group:"+x.tag("g")), 1)
	// Others with the same prefix may run too, and start meanwhile.
	x.eventually("as many servers listen to all as to group commands, two or more", func() bool {
		all := n.subscribers(hubName + ":all")
		return all >= 2 && all == n.subscribers(hubName+":internal:groups")
	})
	x.eventually("the same servers hear acknowledgements and results, two or more", func() bool {
		acks, returns := n.internalListeners("ack"), n.internalListeners("return")
		return len(acks) >= 2 && slices.Equal(acks, returns)
	})
}

// internalListeners returns the names of the servers that have a channel of that kind, and fails the row if one is no
// server's name.
func (n *cluster) internalListeners(kind string) (servers []string) {
	n.x.Helper()
	prefix := n.prefix + hubName + ":internal:" + kind + ":"
	channels, err := n.redis.client.PubSubChannels(n.x.Context(), prefix+"*").Result()
	n.x.must(err)
	for _, channel := range channels {
		server := strings.TrimPrefix(channel, prefix)
		if !serverName.MatchString(server) {
			n.x.Fatalf("the server name in %s is no machine name with 32 hexadecimal digits", channel)
		}
		servers = append(servers, server)
	}
	slices.Sort(servers)
	return servers
}

// serverName is what servers call themselves on Redis.
var serverName = regexp.MustCompile(`^[^:]+_[0-9a-f]{32}$`)

func remoteGroups(x *trial) {
	n := x.backplane()
	commands := n.listen(hubName + ":internal:*")
	for _, at := range [][2]int{{0, 1}, {1, 0}} {
		a, b := n.connect(at[0]), n.connect(at[1])
		group := x.tag(fmt.Sprint("g", at[0]))
		a.invoke("JoinGroupFor", b.id, group)
		n.expectCommand(commands, 1, group, b.id)
		a.invoke("SendGroup", group, x.tag("member"))
		b.expectReceive("member")
		a.invoke("LeaveGroupFor", b.id, group)
		n.expectCommand(commands, 2, group, b.id)
		a.invoke("SendGroup", group, x.tag("left"))
		a.invoke("Broadcast", x.tag("end"))
		b.expectReceive("end")
		// As a server does that this suite plays.
		acknowledgement := hubName + ":internal:ack:suite_" + b.id
		acks := n.listen(acknowledgement)
		n.publish(hubName+":internal:groups", []any{70000, "suite_" + b.id, 1, group, b.id})
		_, payload := n.hear(acks, acknowledgement)
		if !reflect.DeepEqual(payload, []any{int64(70000)}) {
			x.Fatalf("the acknowledgement is %v", payload)
		}
		n.publish(hubName+":group:"+group, []any{[]any{}, x.encodings("again")})
		b.expectReceive("again")
	}
}

// expectCommand waits for a group command about a connection and for its acknowledgement.
func (n *cluster) expectCommand(heard <-chan *goredis.Message, action int64, group, connectionID string) {
	n.x.Helper()
	for {
		_, payload := n.hear(heard, hubName+":internal:groups")
		command, _ := payload.([]any)
		if len(command) != 5 {
			n.x.Fatalf("the group command is %v", payload)
		}
		if command[4] != connectionID { // another row's
			continue
		}
		if command[2] != action || command[3] != group {
			n.x.Fatalf("the group command is %v", payload)
		}
		for {
			_, acknowledgement := n.hear(heard, fmt.Sprint(hubName, ":internal:ack:", command[1]))
			if reflect.DeepEqual(acknowledgement, []any{command[0]}) {
				return
			}
		}
	}
}

func remoteResults(x *trial) {
	n := x.backplane()
	for _, at := range [][2]int{{0, 1}, {1, 0}} {
		for _, packed := range []bool{false, true} {
			a, b := n.connect(at[0]), n.connectBy(at[1], how{packed: packed})
			question := a.start("Ask", b.id, "why")
			b.reply("why", "because", "")
			result, _ := a.finish(question)
			check(x, "answer", result, any("because"))
			question = a.start("Ask", b.id, "why")
			b.reply("why", "", "no idea")
			_, failure := a.finish(question)
			check(x, "error", failure, "An unexpected error occurred invoking 'Ask' on the server. HubException: no idea")
			check(x, "late answer", a.invoke("AskWithin", b.id, "why", 50), any("timed out"))
			b.reply("why", "late", "")
			check(x, "echo", b.invoke("Echo", "here"), any("here"))
			question = a.start("Ask", b.id, "why")
			b.takeQuestion("why")
			b.wire.cut()
			_, failure = a.finish(question)
			check(x, "error", failure, "An unexpected error occurred invoking 'Ask' on the server. HubException: Connection disconnected.")
		}
	}
	check(x, "error for nobody", n.connect(0).fail("Ask", "none", "why"), "An unexpected error occurred invoking 'Ask' on the server.")
}

// reply answers the server's question in the client's protocol.
func (c *client) reply(question, answer, failure string) {
	c.x.Helper()
	id := c.takeQuestion(question)
	switch {
	case c.packed && failure != "":
		c.sendPacked(pack(3, empty, id, 1, failure))
	case c.packed:
		c.sendPacked(pack(3, empty, id, 3, answer))
	case failure != "":
		c.send(failed(id, failure))
	default:
		c.send(completed(id, answer))
	}
}

// takeQuestion fails the row unless the server asks the client now. It returns the id to answer to.
func (c *client) takeQuestion(question string) (id string) {
	c.x.Helper()
	if !c.packed {
		return c.asked(question)
	}
	message, err := c.next()
	c.x.must(err)
	value, err := unpack(message)
	c.x.must(err)
	elements, _ := value.([]any)
	if len(elements) == 6 {
		id, _ = elements[2].(string)
	}
	if id == "" || !reflect.DeepEqual(elements, []any{int64(1), empty, id, "Ask", []any{question}, []any{}}) {
		c.x.Fatalf("received %v, want a call of Ask", value)
	}
	return id
}

// expectPackedClose fails the row unless the server ends the connection with an error and an invitation to come back.
func (c *client) expectPackedClose() {
	c.x.Helper()
	message, err := c.next()
	c.x.must(err)
	value, err := unpack(message)
	c.x.must(err)
	if !reflect.DeepEqual(value, []any{int64(7), "Connection closed with an error.", true}) {
		c.x.Fatalf("received %v, want a close message", value)
	}
	c.expectEnd(1000)
}

func restartRedis(x *trial) {
	x.needRedis()
	port, err := freePort()
	x.must(err)
	r := x.ownRedis(port)
	n := r.cluster(x, "")
	n.environment[0] += ",abortConnect=false"
	a, b := x.connect(x.ownServer(0, n.environment...)), x.connect(x.ownServer(1, n.environment...))
	each(a, b).join(x.tag("g")) // so that both are registered
	a.invoke("Broadcast", x.tag("before"))
	each(a, b).expectReceive("before")
	r.stop()
	// A server may say behind it what is wrong, as for errors that are meant for clients.
	const failed = "An unexpected error occurred invoking 'Broadcast' on the server."
	check(x, "that the error without Redis begins as in the reference", strings.HasPrefix(a.fail("Broadcast", x.tag("lost")), failed), true)
	check(x, "echo without Redis", b.invoke("Echo", "here"), any("here"))
	n.redis = x.ownRedis(port)
	x.eventually("both servers are back on Redis", func() bool { return n.subscribers(hubName+":all") == 2 })
	x.eventually("messages are accepted again", func() bool {
		_, failure := a.finish(a.start("Broadcast", x.tag("after")))
		return failure == ""
	})
	each(a, b).expectReceive("after")
}
