package dev.chatcluster.clients;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;

/** A server that a test starts and ends: the hub server under test, or Redis. */
final class Program implements AutoCloseable {
    /** How long anything may take, far more than it does. */
    static final Duration PATIENCE = Duration.ofSeconds(30);

    private static final HttpClient HTTP = HttpClient.newHttpClient();

    final int port;
    private final List<String> command;
    private final Map<String, String> environment;
    private final Callable<Boolean> ready;
    private Process process;

    private Program(int port, List<String> command, Map<String, String> environment, Callable<Boolean> ready) {
        this.port = port;
        this.command = command;
        this.environment = environment;
        this.ready = ready;
    }

    /** A hub server on a port of its own, which it keeps over restarts. */
    static Program hubServer(Map<String, String> environment) throws Exception {
        String command = System.getenv("SERVER_COMMAND");
        if (command == null) {
            throw new IllegalStateException("SERVER_COMMAND is not set: run hack/clients/java/test");
        }
        int port = freePort();
        var program = new Program(port, List.of("sh", "-c", "PORT=" + port + "; " + command), environment,
                () -> get("http://127.0.0.1:" + port + "/health") != null);
        program.start();
        return program;
    }

    /** A redis-server of the test's own, in memory only, or null where none is installed. */
    static Program redis() throws Exception {
        int port = freePort();
        var program = new Program(port,
                List.of("redis-server", "--port", "" + port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"), Map.of(),
                () -> {
                    try (Socket socket = new Socket()) {
                        socket.connect(new InetSocketAddress("127.0.0.1", port));
                        return true;
                    } catch (IOException refused) {
                        return false;
                    }
                });
        try {
            program.start();
        } catch (IOException absent) {
            return null;
        }
        return program;
    }

    void start() throws Exception {
        var builder = new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.DISCARD);
        builder.environment().putAll(environment);
        process = builder.start();
        Runtime.getRuntime().addShutdownHook(new Thread(process::destroyForcibly));
        eventually("the program answers", () -> {
            if (!process.isAlive()) {
                throw new IllegalStateException(command + " ended with " + process.exitValue());
            }
            return ready.call();
        });
    }

    String url(String path) {
        return "http://127.0.0.1:" + port + path;
    }

    String token(String user, String more) {
        return get(url("/token?user=" + user + more));
    }

    /** Kills it: nothing may rely on a goodbye. */
    @Override
    public void close() throws InterruptedException {
        process.destroyForcibly().waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS);
    }

    /** The body of a page that is there, or null. */
    private static String get(String url) {
        try {
            var response = HTTP.send(HttpRequest.newBuilder(URI.create(url)).build(), BodyHandlers.ofString());
            return response.statusCode() == 200 ? response.body() : null;
        } catch (IOException refused) {
            return null;
        } catch (InterruptedException stopped) {
            throw new IllegalStateException(stopped);
        }
    }

    /** Asks until the answer is true. */
    static void eventually(String what, Callable<Boolean> probe) throws Exception {
        long end = System.nanoTime() + PATIENCE.toNanos();
        while (!probe.call()) {
            if (System.nanoTime() > end) {
                throw new AssertionError("not within " + PATIENCE + ": " + what);
            }
            Thread.sleep(20);
        }
    }

    private static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0)) {
            return socket.getLocalPort();
        }
    }
}
