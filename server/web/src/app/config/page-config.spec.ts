import { loadPageConfig, parsePageConfig } from './page-config';

const page = 'http://localhost:4200/';

describe('parsePageConfig', () => {
  it('resolves every server to the address of its hub', () => {
    const config = parsePageConfig(
      {
        servers: [
          { name: 'Server 1', url: 'http://localhost:5001' },
          { name: 'Server 2', url: 'https://two.example/base/' },
        ],
        hubPath: '/hubs/chat',
      },
      page,
    );
    expect(config.servers).toEqual([
      { name: 'Server 1', hubUrl: 'http://localhost:5001/hubs/chat' },
      { name: 'Server 2', hubUrl: 'https://two.example/base/hubs/chat' },
    ]);
  });

  it.each([
    ['http://localhost:4200/', 'http://localhost:4200/chatHub'],
    ['https://host.example/apps/chat/', 'https://host.example/apps/chat/chatHub'],
    ['https://host.example/apps/chat/index.html', 'https://host.example/apps/chat/chatHub'],
  ])('takes an empty address as that of the page %s', (pageUrl, hubUrl) => {
    const { servers } = parsePageConfig({ servers: [{ name: '', url: '' }] }, pageUrl);
    expect(servers).toEqual([{ name: new URL(pageUrl).host, hubUrl }]);
  });

  it.each([
    [null, 'the content must be an object'],
    [[], 'the content must be an object'],
    [{}, 'servers must be a list of at least one server'],
    [{ servers: [] }, 'servers must be a list of at least one server'],
    [{ servers: ['x'] }, 'servers[0] must be an object'],
    [{ servers: [{ url: 1 }] }, 'servers[0].url must be text'],
    [{ servers: [{ url: '' }, { url: 'ftp://x' }] }, 'servers[1].url must be empty or start with http:// or https://'],
    [{ servers: [{ url: 'javascript:alert(1)' }] }, 'servers[0].url must be empty or start with http:// or https://'],
    [{ servers: [{ url: 'http://' }] }, 'servers[0].url must be empty or start with http:// or https://'],
    [{ servers: [{ url: '', name: 7 }] }, 'servers[0].name must be text'],
    [{ servers: [{ url: '' }], hubPath: 'chatHub' }, 'hubPath must start with "/"'],
  ])('refuses %j', (content, message) => {
    expect(() => parsePageConfig(content, page)).toThrow(message);
  });
});

describe('loadPageConfig', () => {
  const answer = (body: string, status = 200) => vi.fn<typeof fetch>(async () => new Response(body, { status }));
  const aborted = (signal: AbortSignal | null | undefined, action: (reason: unknown) => void) =>
    signal?.addEventListener('abort', () => action(signal.reason));

  it('reads the file beside the page', async () => {
    const fetchFile = answer('{"servers":[{"name":"Server 1","url":"http://localhost:5001"}]}');
    const { config, problem } = await loadPageConfig('http://host/chat/', fetchFile);
    expect(String(fetchFile.mock.calls[0]?.[0])).toBe('http://host/chat/config.json');
    expect(config.servers).toEqual([{ name: 'Server 1', hubUrl: 'http://localhost:5001/chatHub' }]);
    expect(problem).toBeNull();
  });

  it.each([
    ['a missing file', answer('', 404), 'the server answered 404'],
    ['a file that is not JSON', answer('<html>'), 'it is not valid JSON'],
    ['a file with a mistake', answer('{"servers":[]}'), 'servers must be a list of at least one server'],
    ['an unreachable file', vi.fn<typeof fetch>(async () => Promise.reject(new TypeError('Failed to fetch'))), 'Failed to fetch'],
  ])('falls back to the server of the page and says why: %s', async (_, fetchFile, reason) => {
    const { config, problem } = await loadPageConfig(page, fetchFile);
    expect(config.servers).toEqual([{ name: 'localhost:4200', hubUrl: 'http://localhost:4200/chatHub' }]);
    expect(problem).toContain(`config.json could not be used (${reason})`);
  });

  it.each([
    ['no answer', vi.fn<typeof fetch>((_, init) => new Promise((_, reject) => aborted(init?.signal, reject)))],
    [
      'an answer without an end',
      vi.fn<typeof fetch>(
        async (_, init) => new Response(new ReadableStream({ start: (body) => aborted(init?.signal, (reason) => body.error(reason)) })),
      ),
    ],
  ])('waits ten seconds, not for ever: %s', async (_, fetchFile) => {
    vi.useFakeTimers();
    try {
      const loading = loadPageConfig(page, fetchFile);
      await vi.advanceTimersByTimeAsync(10_000);
      const { config, problem } = await loading;
      expect(config.servers).toEqual([{ name: 'localhost:4200', hubUrl: 'http://localhost:4200/chatHub' }]);
      expect(problem).toContain('config.json could not be used (it did not come within 10 s)');
    } finally {
      vi.useRealTimers();
    }
  });
});
