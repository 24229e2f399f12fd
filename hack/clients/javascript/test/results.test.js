import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { connect, ways } from "../support/connect.js";
import { Cluster } from "../support/cluster.js";
import { Inbox } from "../support/inbox.js";
import { redisAbsent } from "../support/redis.js";
import { Server } from "../support/server.js";
import { within } from "../support/wait.js";

const failure = "An unexpected error occurred invoking 'Ask' on the server. ";

describe("client results on two servers", { skip: redisAbsent }, () => {
  let cluster;
  before(async () => {
    cluster = await Cluster.start();
  });
  after(() => cluster?.stop());

  for (const way of ways) {
    for (const where of ["the same server", "the other server"]) {
      describe(`${way.name}, asked from ${where}`, () => {
        const hubs = () => {
          const [first, second] = cluster.servers.map((server) => `${server.url}/conformance`);
          return where === "the same server" ? [first, first] : [first, second];
        };

        test("a client's answer is the method's result", async (t) => {
          const [askedAt, askerAt] = hubs();
          const asked = await connect(t, askedAt, way);
          const asker = await connect(t, askerAt);
          asked.on("Ask", async (question) => `${question}? yes`);
          for (const question of ["first", "second", "ünïcode"]) {
            assert.equal(await within(asker.invoke("Ask", asked.connectionId, question), "answer"), `${question}? yes`);
          }
        });

        test("a client's error is the method's error", async (t) => {
          const [askedAt, askerAt] = hubs();
          const asked = await connect(t, askedAt, way);
          const asker = await connect(t, askerAt);
          asked.on("Ask", () => {
            throw new Error("no idea");
          });
          await assert.rejects(within(asker.invoke("Ask", asked.connectionId, "?"), "answer"), {
            message: `${failure}HubException: Error: no idea`,
          });
        });

        test("a client without a handler answers with an error", async (t) => {
          const [askedAt, askerAt] = hubs();
          const asked = await connect(t, askedAt, way);
          const asker = await connect(t, askerAt);
          await assert.rejects(within(asker.invoke("Ask", asked.connectionId, "?"), "answer"), {
            message: `${failure}HubException: Client didn't provide a result.`,
          });
        });

        test("a client that does not answer is given up, its late answer is ignored", async (t) => {
          const [askedAt, askerAt] = hubs();
          const asked = await connect(t, askedAt, way);
          const asker = await connect(t, askerAt);
          const questions = new Inbox("question");
          asked.on("Ask", (question) => new Promise((answer) => questions.push({ question, answer })));
          assert.equal(await within(asker.invoke("AskWithin", asked.connectionId, "late", 50), "answer"), "timed out");
          const late = await questions.next();
          late.answer("too late");
          const second = asker.invoke("Ask", asked.connectionId, "in time");
          (await questions.next()).answer("here");
          assert.equal(await within(second, "answer"), "here");
        });

        test("a client that leaves instead of answering fails the method", async (t) => {
          const [askedAt, askerAt] = hubs();
          const asked = await connect(t, askedAt, way);
          const asker = await connect(t, askerAt);
          const questions = new Inbox("question");
          asked.on("Ask", () => new Promise(() => questions.push("asked")));
          const answer = within(asker.invoke("Ask", asked.connectionId, "?"), "failure");
          answer.catch(() => {});
          await questions.next();
          await asked.stop();
          await assert.rejects(answer, /^Error: An unexpected error occurred invoking 'Ask' on the server\./);
        });
      });
    }
  }

  test("asking a connection that does not exist fails", async (t) => {
    const asker = await connect(t, `${cluster.servers[0].url}/conformance`);
    await assert.rejects(within(asker.invoke("Ask", "nobody", "?"), "failure"), /An unexpected error occurred invoking 'Ask'/);
  });
});

describe("client results on one server without Redis", () => {
  let server;
  before(async () => {
    server = await Server.start();
  });
  after(() => server.stop("SIGKILL"));

  for (const way of ways) {
    test(`a method asks its own caller: ${way.name}`, async (t) => {
      const connection = await connect(t, `${server.url}/conformance`, way);
      connection.on("Ask", (question) => `${question}!`);
      assert.equal(await within(connection.invoke("Ask", connection.connectionId, "you"), "answer"), "you!");
    });
  }
});
