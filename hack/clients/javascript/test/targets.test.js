import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { connect, ways } from "../support/connect.js";
import { Cluster } from "../support/cluster.js";
import { Inbox } from "../support/inbox.js";
import { redisAbsent } from "../support/redis.js";

// Who gets what, the sender and its targets being on different servers and speaking in different ways.
// A message that must not arrive is proven absent by a later one on the same path, never by waiting.
describe("targets on two servers", { skip: redisAbsent }, () => {
  let cluster, first, second;
  before(async () => {
    cluster = await Cluster.start();
    [first, second] = cluster.servers.map((server) => `${server.url}/conformance`);
  });
  after(() => cluster?.stop());

  // member connects and keeps what it receives.
  async function member(t, hub, way) {
    const connection = await connect(t, hub, way);
    return { connection, id: connection.connectionId, received: Inbox.of(connection, "Receive") };
  }

  test("one broadcast from each server reaches every client of both, on all transports and protocols", async (t) => {
    const members = await Promise.all([first, second].flatMap((hub) => ways.map((way) => member(t, hub, way))));
    await members[0].connection.invoke("Broadcast", "from the first");
    await members.at(-1).connection.invoke("Broadcast", "from the second");
    for (const one of members) assert.deepEqual((await one.received.take(2)).sort(), ["from the first", "from the second"]);
  });

  test("broadcasts of one sender arrive everywhere in order", async (t) => {
    const members = await Promise.all([first, second].flatMap((hub) => ways.map((way) => member(t, hub, way))));
    const expected = Array.from({ length: 200 }, (_, i) => `${i}`);
    for (const text of expected) await members[0].connection.send("Broadcast", text);
    for (const one of members) assert.deepEqual(await one.received.take(200), expected);
  });

  test("a broadcast from outside a hub reaches the clients of both servers", async (t) => {
    const members = await Promise.all([member(t, first), member(t, second)]);
    const response = await fetch(`${cluster.servers[0].url}/broadcast`, { method: "POST", body: "from outside" });
    assert.equal(response.status, 200);
    for (const one of members) assert.equal(await one.received.next(), "from outside");
  });

  for (const way of ways) {
    describe(way.name, () => {
      test("complex values cross the servers", async (t) => {
        const sender = await member(t, first);
        const target = await connect(t, second, way);
        const values = Inbox.of(target, "ReceiveComplex");
        const value = { text: "t", number: 1, fraction: 1.5, flag: false, list: [3], map: { a: "b" }, missing: null };
        await sender.connection.invoke("BroadcastComplex", value);
        const received = await values.next();
        const lower = Object.fromEntries(Object.entries(received).map(([name, v]) => [name[0].toLowerCase() + name.slice(1), v]));
        assert.deepEqual(lower, value);
        assert.equal("Text" in received, way.protocol === "messagepack");
      });

      test("Others, AllExcept and Caller", async (t) => {
        const [sender, here, there] = await Promise.all([member(t, first, way), member(t, first, way), member(t, second, way)]);
        await sender.connection.invoke("BroadcastOthers", "others");
        await sender.connection.invoke("BroadcastExcept", [sender.id, there.id], "except");
        await sender.connection.invoke("Broadcast", "end");
        assert.deepEqual(await sender.received.before("end"), []);
        assert.deepEqual(await here.received.before("end"), ["others", "except"]);
        assert.deepEqual(await there.received.before("end"), ["others"]);
        await sender.connection.invoke("SendCaller", "mine");
        assert.equal(await sender.received.next(), "mine");
        await sender.connection.invoke("Broadcast", "end");
        assert.deepEqual(await there.received.before("end"), []);
      });

      test("Client and Clients, on this server and the other", async (t) => {
        const [sender, here, there] = await Promise.all([member(t, first, way), member(t, first, way), member(t, second, way)]);
        await sender.connection.invoke("SendClient", here.id, "to here");
        await sender.connection.invoke("SendClient", there.id, "to there");
        await sender.connection.invoke("SendClient", "nobody", "to nobody");
        assert.equal(await here.received.next(), "to here");
        assert.equal(await there.received.next(), "to there");
        await sender.connection.invoke("SendClients", [here.id, there.id, "nobody"], "to both");
        assert.equal(await here.received.next(), "to both");
        assert.equal(await there.received.next(), "to both");
        assert.equal(sender.received.size, 0);
      });

      test("groups span the servers; who leaves gets nothing more", async (t) => {
        const [sender, here, there] = await Promise.all([member(t, first, way), member(t, first, way), member(t, second, way)]);
        const group = `group of ${way.name}: *`;
        for (const one of [here, there]) await one.connection.invoke("JoinGroup", group);
        await there.connection.invoke("JoinGroup", group);
        await sender.connection.invoke("SendGroup", group, "one");
        assert.equal(await here.received.next(), "one");
        assert.equal(await there.received.next(), "one");

        await sender.connection.invoke("SendGroupExcept", group, [here.id], "not here");
        await here.connection.invoke("SendOthersInGroup", group, "from here");
        await sender.connection.invoke("SendGroup", group, "end");
        assert.deepEqual(await here.received.before("end"), []);
        assert.deepEqual(await there.received.before("end"), ["not here", "from here"]);

        await there.connection.invoke("LeaveGroup", group);
        await sender.connection.invoke("SendGroup", group, "two");
        assert.equal(await here.received.next(), "two");
        await sender.connection.invoke("Broadcast", "end");
        assert.deepEqual(await there.received.before("end"), []);
      });

      test("a connection of the other server joins and leaves a group on request", async (t) => {
        const [sender, there] = await Promise.all([member(t, first, way), member(t, second, way)]);
        const group = `remote group of ${way.name}`;
        await sender.connection.invoke("JoinGroupFor", there.id, group);
        await sender.connection.invoke("SendGroup", group, "in");
        assert.equal(await there.received.next(), "in");
        await sender.connection.invoke("JoinGroup", group);
        await sender.connection.invoke("LeaveGroupFor", there.id, group);
        await sender.connection.invoke("SendGroup", group, "out");
        assert.equal(await sender.received.next(), "out");
        await sender.connection.invoke("Broadcast", "end");
        assert.deepEqual(await there.received.before("end"), []);
      });

      test("a member of two groups gets a message to both twice", async (t) => {
        const [sender, there] = await Promise.all([member(t, first, way), member(t, second, way)]);
        const groups = [`a of ${way.name}`, `b of ${way.name}`];
        for (const group of groups) await there.connection.invoke("JoinGroup", group);
        await sender.connection.invoke("SendGroups", groups, "to both");
        assert.deepEqual(await there.received.take(2), ["to both", "to both"]);
      });
    });
  }
});
