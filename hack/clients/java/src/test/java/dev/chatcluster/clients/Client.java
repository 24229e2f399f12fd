package dev.chatcluster.clients;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.junit.jupiter.api.Assertions.assertNotNull;

import com.microsoft.signalr.HubConnection;
import com.microsoft.signalr.HubConnectionBuilder;
import com.microsoft.signalr.HubException;
import com.microsoft.signalr.TransportEnum;
import io.reactivex.rxjava3.core.Single;
import java.lang.reflect.Type;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;

/** A connection whose calls wait for their answers, and which keeps what it receives. */
final class Client implements AutoCloseable {
    /** The transports that this client has. */
    static final List<TransportEnum> TRANSPORTS = List.of(TransportEnum.WEBSOCKETS, TransportEnum.LONG_POLLING);

    final HubConnection hub;
    /** The texts of calls of Receive. */
    final BlockingQueue<String> received = new LinkedBlockingQueue<>();
    /** Released once the connection is over. */
    final CountDownLatch closed = new CountDownLatch(1);

    Client(String url, TransportEnum transport, String token) {
        var builder = HubConnectionBuilder.create(url).withTransport(transport).withHeader("X-Suite", "java");
        if (token != null) {
            builder.withAccessTokenProvider(Single.just(token));
        }
        hub = builder.build();
        hub.on("Receive", received::add, String.class);
        hub.onClosed(error -> closed.countDown());
    }

    /** Connects, and returns once the server has run what it does on connect: messages to all reach it from now on. */
    static Client connect(String url, TransportEnum transport, String token) {
        var client = new Client(url, transport, token);
        client.start();
        return client;
    }

    static Client connect(String url, TransportEnum transport) {
        return connect(url, transport, null);
    }

    void start() {
        hub.start().timeout(Program.PATIENCE.toSeconds(), SECONDS).blockingAwait();
        invoke(String.class, "ConnectionId");
    }

    <T> T invoke(Class<T> type, String method, Object... arguments) {
        return hub.<T>invoke(type, method, arguments).timeout(Program.PATIENCE.toSeconds(), SECONDS).blockingGet();
    }

    <T> T invoke(Type type, String method, Object... arguments) {
        return hub.<T>invoke(type, method, arguments).timeout(Program.PATIENCE.toSeconds(), SECONDS).blockingGet();
    }

    void run(String method, Object... arguments) {
        hub.invoke(method, arguments).timeout(Program.PATIENCE.toSeconds(), SECONDS).blockingAwait();
    }

    /** The text of the error that a call ends with. */
    String fail(String method, Object... arguments) {
        try {
            run(method, arguments);
        } catch (RuntimeException error) {
            Throwable cause = error instanceof HubException ? error : error.getCause();
            return cause == null ? error.getMessage() : cause.getMessage();
        }
        throw new AssertionError(method + " did not fail");
    }

    /** The next texts, waiting for those that are still to come. */
    List<String> take(int count) throws InterruptedException {
        var texts = new ArrayList<String>();
        for (int i = 0; i < count; i++) {
            String text = received.poll(Program.PATIENCE.toSeconds(), SECONDS);
            assertNotNull(text, "only these came: " + texts);
            texts.add(text);
        }
        return texts;
    }

    @Override
    public void close() {
        hub.stop().timeout(Program.PATIENCE.toSeconds(), SECONDS).onErrorComplete().blockingAwait();
    }
}
