package dev.chatcluster.clients;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.Gson;
import com.microsoft.signalr.TransportEnum;
import io.reactivex.rxjava3.core.Observable;
import io.reactivex.rxjava3.core.Single;
import io.reactivex.rxjava3.subjects.ReplaySubject;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Calls, streams in both directions, client results, errors and ends on one server. */
class OneServerTest {
    private static final String UNEXPECTED = "An unexpected error occurred invoking '%s' on the server.";
    private static Program server;

    @BeforeAll
    static void start() throws Exception {
        server = Program.hubServer(Map.of());
    }

    @AfterAll
    static void stop() throws Exception {
        server.close();
    }

    private static Client connect(TransportEnum transport) {
        return Client.connect(server.url("/conformance"), transport);
    }

    /** What EchoComplex takes and returns. */
    private static final class Complex {
        String text = "ä";
        int number = -7;
        double fraction = 0.25;
        boolean flag = true;
        List<Integer> list = List.of(1, -1);
        Map<String, String> map = Map.of("Key", "value");
        String missing;
    }

    @ParameterizedTest
    @EnumSource(names = "ALL", mode = EnumSource.Mode.EXCLUDE)
    void valuesComeBackAsTheyWereSent(TransportEnum transport) {
        try (var client = connect(transport)) {
            for (String text : List.of("", "hello", "ünïcode \uD83D\uDE00", "quote \" back \\ slash", "a\nb\r\n", "\u0000\u001f")) {
                assertEquals(text, client.invoke(String.class, "Echo", text));
            }
            for (int number : new int[] {0, 1, -1, 127, -128, 65536, Integer.MAX_VALUE, Integer.MIN_VALUE}) {
                assertEquals(number, client.invoke(Integer.class, "EchoInt", number));
            }
            var value = new Complex();
            var gson = new Gson();
            assertEquals(gson.toJson(value), gson.toJson(client.invoke(Complex.class, "EchoComplex", value)));
            client.run("Void");
        }
    }

    @ParameterizedTest
    @EnumSource(names = "ALL", mode = EnumSource.Mode.EXCLUDE)
    void theHubKnowsTheConnection(TransportEnum transport) {
        try (var client = Client.connect(server.url("/conformance?color=deep%20blue"), transport)) {
            assertEquals(client.hub.getConnectionId(), client.invoke(String.class, "ConnectionId"));
            assertEquals(transport == TransportEnum.WEBSOCKETS ? "WebSockets" : "LongPolling", client.invoke(String.class, "Transport"));
            assertEquals("deep blue", client.invoke(String.class, "Query", "color"));
            assertEquals("java", client.invoke(String.class, "Header", "x-suite"));
        }
    }

    @ParameterizedTest
    @EnumSource(names = "ALL", mode = EnumSource.Mode.EXCLUDE)
    void errorsHaveTheTextsOfTheProtocol(TransportEnum transport) {
        try (var client = connect(transport)) {
            assertEquals(UNEXPECTED.formatted("Throw"), client.fail("Throw", "secret"));
            assertEquals(UNEXPECTED.formatted("ThrowHub") + " HubException: shown", client.fail("ThrowHub", "shown"));
            assertEquals("Failed to invoke 'Nope' due to an error on the server. HubException: Method does not exist.", client.fail("Nope"));
            assertEquals("Failed to invoke 'EchoInt' due to an error on the server.", client.fail("EchoInt", "no number"));
            assertEquals("Failed to invoke 'AdminOnly' because user is unauthorized", client.fail("AdminOnly"));
            assertEquals("still here", client.invoke(String.class, "Echo", "still here"));
        }
    }

    @ParameterizedTest
    @EnumSource(names = "ALL", mode = EnumSource.Mode.EXCLUDE)
    void sendsWithoutAnswerArriveInOrder(TransportEnum transport) throws Exception {
        try (var client = connect(transport)) {
            var texts = IntStream.range(0, 50).mapToObj(Integer::toString).toList();
            if (transport == TransportEnum.LONG_POLLING) { // its POSTs are not sent one after the other
                texts.forEach(text -> client.run("SendCaller", text));
            } else {
                texts.forEach(text -> client.hub.send("SendCaller", text));
            }
            assertEquals(texts, client.take(50));
        }
    }

    @ParameterizedTest
    @EnumSource(names = "ALL", mode = EnumSource.Mode.EXCLUDE)
    void streams(TransportEnum transport) {
        try (var client = connect(transport)) {
            assertEquals(IntStream.range(0, 500).boxed().toList(), collect(client.hub.stream(Integer.class, "Stream", 500, 0)));
            assertEquals(List.of(), collect(client.hub.stream(Integer.class, "Stream", 0, 0)));
            var items = new ArrayList<Integer>();
            var failing = client.hub.stream(Integer.class, "StreamThenThrow", 3, "secret").doOnNext(items::add).ignoreElements();
            var error = assertThrows(RuntimeException.class, () -> failing.timeout(Program.PATIENCE.toSeconds(), SECONDS).blockingAwait());
            assertEquals(List.of(0, 1, 2), items);
            assertTrue(error.getMessage().endsWith("An error occurred on the server while streaming results."), error.getMessage());
        }
    }

    @ParameterizedTest
    @EnumSource(names = "ALL", mode = EnumSource.Mode.EXCLUDE)
    void aCancelledStreamStopsAtTheServer(TransportEnum transport) throws Exception {
        try (var client = connect(transport)) {
            var canceled = new LinkedBlockingQueue<String>();
            client.hub.on("StreamCanceled", () -> canceled.add("canceled"));
            assertEquals(List.of(0, 1, 2), collect(client.hub.stream(Integer.class, "StreamForever").take(3)));
            assertEquals("canceled", canceled.poll(Program.PATIENCE.toSeconds(), SECONDS));
        }
    }

    /** Over WebSockets only: on long polling this client sends all at once, and the end may overtake the items. */
    @Test
    void uploads() {
        try (var client = connect(TransportEnum.WEBSOCKETS)) {
            // Two uploads of one call, which the JavaScript client cannot do.
            assertEquals(42, client.invoke(Integer.class, "UploadSum", replayed(40, 4), replayed(2)));
            var texts = IntStream.range(0, 20).mapToObj(i -> i + ",").toArray(String[]::new);
            assertEquals(String.join("", texts), client.invoke(String.class, "UploadConcat", replayed(texts)));
            assertEquals(List.of(texts), collect(client.hub.stream(String.class, "EchoStream", replayed(texts))));
            var broken = ReplaySubject.<Integer>create();
            broken.onError(new RuntimeException("ran dry"));
            assertTrue(client.invoke(String.class, "UploadError", broken).contains("ran dry"));
        }
    }

    @ParameterizedTest
    @EnumSource(names = "ALL", mode = EnumSource.Mode.EXCLUDE)
    void theServerAsksTheClient(TransportEnum transport) {
        try (var client = connect(transport)) {
            client.hub.onWithResult("Ask", (String question) -> {
                if (question.equals("bad")) {
                    throw new IllegalStateException("no idea");
                }
                return Single.just(question + "? yes");
            }, String.class);
            assertEquals("sure? yes", client.invoke(String.class, "Ask", client.hub.getConnectionId(), "sure"));
            assertEquals(UNEXPECTED.formatted("Ask") + " HubException: no idea", client.fail("Ask", client.hub.getConnectionId(), "bad"));
        }
    }

    @ParameterizedTest
    @EnumSource(names = "ALL", mode = EnumSource.Mode.EXCLUDE)
    void tokens(TransportEnum transport) {
        var refused = new Client(server.url("/protected"), transport, null);
        assertThrows(RuntimeException.class, refused::start);
        try (var client = Client.connect(server.url("/protected"), transport, server.token("ann", "&admin=true"))) {
            assertEquals("ann", client.invoke(String.class, "UserId"));
            assertEquals("welcome", client.invoke(String.class, "AdminOnly"));
        }
    }

    @ParameterizedTest
    @EnumSource(names = "ALL", mode = EnumSource.Mode.EXCLUDE)
    void theHubSeesTheClientGoAndTheClientTheHub(TransportEnum transport) throws Exception {
        try (var observer = connect(TransportEnum.WEBSOCKETS)) {
            var client = connect(transport);
            String id = client.hub.getConnectionId();
            assertNull(disconnected(observer, id));
            client.close();
            Program.eventually("the hub sees the end", () -> "".equals(disconnected(observer, id)));
            var aborted = connect(transport);
            aborted.hub.send("Abort");
            assertTrue(aborted.closed.await(Program.PATIENCE.toSeconds(), SECONDS), "the client does not see the end");
        }
    }

    /**
     * How a connection ended for the hub, or null as long as nothing says so. To a call whose result is null this client
     * never gives an answer, so a question that was asked too early is given up soon and asked again.
     */
    private static String disconnected(Client observer, String id) {
        return observer.hub.<String>invoke(String.class, "Disconnected", id).map(Optional::of).timeout(1, SECONDS)
                .onErrorReturnItem(Optional.empty()).blockingGet().orElse(null);
    }

    private static <T> List<T> collect(Observable<T> stream) {
        return stream.timeout(Program.PATIENCE.toSeconds(), SECONDS).toList().blockingGet();
    }

    @SafeVarargs
    private static <T> Observable<T> replayed(T... items) {
        var subject = ReplaySubject.<T>create();
        for (T item : items) {
            subject.onNext(item);
        }
        subject.onComplete();
        return subject;
    }
}
