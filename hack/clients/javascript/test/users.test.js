import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { build, connect, ways } from "../support/connect.js";
import { Cluster } from "../support/cluster.js";
import { Inbox } from "../support/inbox.js";
import { redisAbsent } from "../support/redis.js";
import { event, within } from "../support/wait.js";

describe("users on two servers", { skip: redisAbsent }, () => {
  let cluster;
  before(async () => {
    cluster = await Cluster.start();
  });
  after(() => cluster?.stop());

  // login returns the options of a connection of the user. parameters: of /token, such as "&admin=true".
  const login = (user, parameters) => ({ accessTokenFactory: () => cluster.servers[0].token(user, parameters) });
  const hub = (index) => `${cluster.servers[index].url}/protected`;

  async function member(t, index, way, user) {
    const connection = await connect(t, hub(index), way, login(user));
    return { connection, received: Inbox.of(connection, "Receive") };
  }

  test("a hub for users refuses who has no token, or a bad one", async (t) => {
    for (const way of ways) {
      await assert.rejects(build(t, hub(0), way).start(), /Status code '401'/);
      const forged = { accessTokenFactory: () => "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4ifQ." };
      await assert.rejects(build(t, hub(0), way, forged).start(), /Status code '401'/);
    }
  });

  for (const way of ways) {
    describe(way.name, () => {
      test("the hub knows the user", async (t) => {
        const { connection } = await member(t, 0, way, "änn@example.org");
        assert.equal(await connection.invoke("UserId"), "änn@example.org");
      });

      test("a method for administrators lets only them in", async (t) => {
        const ann = await connect(t, hub(0), way, login("ann"));
        await assert.rejects(ann.invoke("AdminOnly"), { message: "Failed to invoke 'AdminOnly' because user is unauthorized" });
        const root = await connect(t, hub(0), way, login("root", "&admin=true"));
        assert.equal(await root.invoke("AdminOnly"), "welcome");
      });

      test("a message to a user reaches all their connections on all servers, and nobody else's", async (t) => {
        const ann = `ann of ${way.name}`;
        const bob = `bob of ${way.name}`;
        const [first, second, other] = await Promise.all([member(t, 0, way, ann), member(t, 1, way, ann), member(t, 1, way, bob)]);
        await other.connection.invoke("SendUser", ann, "to ann");
        assert.equal(await first.received.next(), "to ann");
        assert.equal(await second.received.next(), "to ann");
        await first.connection.invoke("SendUsers", [ann, bob], "to both");
        for (const one of [first, second, other]) assert.equal(await one.received.next(), "to both");
        await second.connection.stop();
        await other.connection.invoke("SendUser", ann, "to the one that stays");
        assert.equal(await first.received.next(), "to the one that stays");
        await first.connection.invoke("Broadcast", "end");
        assert.deepEqual(await other.received.before("end"), []);
      });
    });
  }

  test("a connection ends with its token, and reconnects with a new one", async (t) => {
    await Promise.all(ways.map(async (way) => {
      let lifetime = "&seconds=8"; // long enough to connect on a busy machine
      const connection = await connect(t, hub(0), way, {
        accessTokenFactory: () => cluster.servers[0].token("ann", lifetime),
        configure: (builder) => builder.withAutomaticReconnect([0, 50, 50, 50]),
      });
      const id = connection.connectionId;
      const reconnected = event();
      connection.onreconnected(reconnected.happen);
      lifetime = "";
      await within(reconnected.happened, `reconnect with a new token by ${way.name}`);
      assert.notEqual(connection.connectionId, id);
      assert.equal(await connection.invoke("UserId"), "ann");
    }));
  });
});
