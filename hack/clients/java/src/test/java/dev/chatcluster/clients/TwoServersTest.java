package dev.chatcluster.clients;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.microsoft.signalr.TransportEnum;
import io.reactivex.rxjava3.core.Single;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Clients on both transports of two servers with one Redis, who hear each other. */
class TwoServersTest {
    private final List<AutoCloseable> open = new ArrayList<>();
    private final List<Program> servers = new ArrayList<>();
    private final List<Client> clients = new ArrayList<>();

    @BeforeEach
    void start() throws Exception {
        var redis = Program.redis();
        assumeTrue(redis != null, "redis-server is absent");
        open.add(redis);
        for (int i = 0; i < 2; i++) {
            var server = Program.hubServer(Map.of("REDIS_CONNECTION", "127.0.0.1:" + redis.port + ",abortConnect=false"));
            open.add(server);
            servers.add(server);
        }
        for (var server : servers) {
            for (TransportEnum transport : Client.TRANSPORTS) {
                var client = Client.connect(server.url("/conformance"), transport);
                open.add(client);
                clients.add(client);
            }
        }
    }

    @AfterEach
    void stop() throws Exception {
        for (int i = open.size() - 1; i >= 0; i--) {
            open.get(i).close();
        }
    }

    @Test
    void broadcastsReachEveryoneInOrder() throws Exception {
        var texts = IntStream.range(0, 20).mapToObj(Integer::toString).toList();
        for (var sender : clients) {
            texts.forEach(text -> sender.run("Broadcast", text));
            for (var client : clients) {
                assertEquals(texts, client.take(20));
            }
        }
    }

    @Test
    void groupsAndSingleClients() throws Exception {
        Client first = clients.get(0), second = clients.get(1), third = clients.get(2), fourth = clients.get(3);
        for (var member : List.of(second, third)) {
            member.run("JoinGroup", "group");
        }
        first.run("JoinGroupFor", fourth.hub.getConnectionId(), "group");
        first.run("SendGroup", "group", "members");
        for (var member : List.of(second, third, fourth)) {
            assertEquals(List.of("members"), member.take(1));
        }
        fourth.run("LeaveGroup", "group");
        fourth.run("SendGroup", "group", "who stays");
        for (var member : List.of(second, third)) {
            assertEquals(List.of("who stays"), member.take(1));
        }
        first.run("SendClient", third.hub.getConnectionId(), "over there");
        assertEquals(List.of("over there"), third.take(1));
        first.run("Broadcast", "end");
        for (var client : clients) {
            assertEquals(List.of("end"), client.take(1));
        }
    }

    @Test
    void aClientOfTheOtherServerIsAsked() {
        Client asker = clients.get(0), asked = clients.get(3);
        asked.hub.onWithResult("Ask", (String question) -> Single.just(question.toUpperCase()), String.class);
        assertEquals("WHY", asker.invoke(String.class, "Ask", asked.hub.getConnectionId(), "why"));
    }

    /** This client has no automatic reconnect: it is told of the end and starts again, as its documentation says. */
    @Test
    void clientsStartAgainAfterTheirServerRestarted() throws Exception {
        servers.get(0).close();
        for (var client : clients.subList(0, 2)) {
            assertTrue(client.closed.await(Program.PATIENCE.toSeconds(), SECONDS), "the client does not see the end");
        }
        servers.get(0).start();
        for (var client : clients.subList(0, 2)) {
            client.start();
        }
        clients.get(2).run("Broadcast", "back");
        for (var client : clients) {
            assertEquals(List.of("back"), client.take(1));
        }
    }
}
