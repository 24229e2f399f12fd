// Starts what the browser tests need: Redis, hub servers, the page. The only file that knows command lines.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as pause } from 'node:timers/promises';

const repository = fileURLToPath(new URL('../../..', import.meta.url));
const startLimit = 30_000;

/** What is running: nothing may outlive the tests, however they end. */
const children = new Set();
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')));

/** The hub server's binary: HUBSERVER, or built once into a folder that `remove` deletes. */
export function hubserverBinary() {
  if (process.env.HUBSERVER) {
    return { path: process.env.HUBSERVER, remove: () => {} };
  }
  const folder = mkdtempSync(join(tmpdir(), 'chatcluster-page-'));
  const path = join(folder, 'hubserver');
  execFileSync('go', ['build', '-o', path, './server/cmd/hubserver'], { cwd: repository, stdio: 'inherit' });
  return { path, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** A port of this machine that nothing listens on. */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

export async function startRedis() {
  const port = await freePort();
  const server = run('redis-server', ['--port', port, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']);
  await untilListening(server, port);
  return { address: `localhost:${port}`, stop: () => stop(server) };
}

/**
 * A hub server that can be stopped and started again on its port.
 *
 * @param more flags, such as `--page`
 */
export async function startHub(binary, { port, redis, origin, more = [] }) {
  const address = `http://localhost:${port}`;
  const hub = { address, port, process: null };
  hub.start = async () => {
    const connections = ['--urls', address, ...(redis ? ['--redis-connection', redis] : []), ...(origin ? ['--cors-origins', origin] : [])];
    hub.process = run(binary, [...connections, ...more]);
    await untilListening(hub.process, port);
  };
  /** The default end lets the server say goodbye; SIGKILL does not. */
  hub.stop = (signal) => stop(hub.process, signal);
  await hub.start();
  return hub;
}

/** A TCP proxy to a port of this machine, whose connections can be cut as a broken network does. */
export async function startCuttableProxy(target) {
  const sockets = new Set();
  const server = createServer((client) => {
    const upstream = connect({ port: proxy.target, host: 'localhost', autoSelectFamily: true });
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => sockets.delete(socket));
    }
    client.pipe(upstream).pipe(client);
    server.emit('opened');
  }).listen(0, 'localhost');
  await once(server, 'listening');
  const proxy = { target, address: `http://localhost:${server.address().port}` };
  proxy.nextConnection = () => once(server, 'opened');
  proxy.cut = () => sockets.forEach((socket) => socket.resetAndDestroy());
  proxy.stop = async () => {
    server.close();
    proxy.cut();
  };
  return proxy;
}

/** The page alone, for servers of `{ name, address }`. */
export async function startPage(binary, port, servers) {
  const address = `http://localhost:${port}`;
  const list = servers.map(({ name, address: server }) => `${name}=${server}`).join(',');
  const server = run(binary, ['page', '--urls', address, '--page-servers', list]);
  await untilListening(server, port);
  return { address, stop: () => stop(server) };
}

/** Whether a program, by name or path, is on this machine. */
export function exists(program) {
  const folders = program.includes('/') ? [''] : (process.env.PATH ?? '').split(delimiter);
  return folders.some((folder) => existsSync(join(folder, program)));
}

function run(program, args) {
  const child = spawn(program, args.map(String), { stdio: ['ignore', 'pipe', 'pipe'] });
  child.output = '';
  const keep = (chunk) => (child.output = (child.output + chunk).slice(-10_000));
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  child.on('error', keep);
  children.add(child);
  child.on('exit', () => children.delete(child));
  return child;
}

async function untilListening(child, port) {
  const end = Date.now() + startLimit;
  while (Date.now() < end && child.exitCode === null && child.signalCode === null) {
    if (await accepts(port)) {
      return;
    }
    await pause(50);
  }
  await stop(child, 'SIGKILL');
  throw new Error(`${child.spawnargs.join(' ')} does not listen on ${port}:\n${child.output}`);
}

/** Tries both addresses that localhost can mean. */
async function accepts(port) {
  const socket = connect({ port, host: 'localhost', autoSelectFamily: true });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function stop(child, signal = 'SIGTERM') {
  if (!child || child.exitCode !== null || child.signalCode !== null || !child.pid) {
    return;
  }
  const ended = once(child, 'exit');
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), 15_000);
  await ended;
  clearTimeout(timer);
}
