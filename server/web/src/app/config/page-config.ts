/** A hub server that the page can connect to. */
export interface HubServer {
  /** Shown on its button and in the status, such as `Server 1`. */
  readonly name: string;
  /** Absolute address of its chat hub. */
  readonly hubUrl: string;
}

/** What the page reads from `config.json`, resolved against the page's own address. */
export interface PageConfig {
  readonly servers: readonly HubServer[];
}

/** A configuration to work with, and what was wrong with the one that should have been used. */
export interface LoadedPageConfig {
  readonly config: PageConfig;
  /** One sentence for the user, or null when `config.json` was fine. */
  readonly problem: string | null;
}

const defaultHubPath = '/chatHub';

/** How long the file may take, in milliseconds: nothing is connected before it is here. */
const patience = 10_000;

/**
 * Reads `config.json` beside the page. A missing or broken file, or one that does not come, never stops the page: the
 * server that served the page is then used, and the problem is returned to be shown.
 *
 * @param pageUrl the document's base address, which differs from `/` behind a path base
 */
export async function loadPageConfig(pageUrl: string, fetchFile: typeof fetch = fetch): Promise<LoadedPageConfig> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(new Error(`it did not come within ${patience / 1_000} s`)), patience);
  try {
    const response = await fetchFile(new URL('config.json', pageUrl), { cache: 'no-store', signal: abort.signal });
    if (!response.ok) {
      throw new Error(`the server answered ${response.status}`);
    }
    return { config: parsePageConfig(await readJson(response), pageUrl), problem: null };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return {
      config: sameOriginConfig(pageUrl),
      problem: `config.json could not be used (${reason}). Connecting to the server of this page instead.`,
    };
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Checks the content of `config.json`: `{"servers":[{"name":"Server 1","url":"http://localhost:5001"}],"hubPath":"/chatHub"}`.
 * An empty `url` is the address of the page itself.
 *
 * @throws Error that names the key and what is allowed
 */
export function parsePageConfig(content: unknown, pageUrl: string): PageConfig {
  const { servers, hubPath = defaultHubPath } = asObject(content, 'the content');
  if (typeof hubPath !== 'string' || !hubPath.startsWith('/')) {
    throw new Error('hubPath must start with "/"');
  }
  if (!Array.isArray(servers) || servers.length === 0) {
    throw new Error('servers must be a list of at least one server');
  }
  return { servers: servers.map((server, index) => parseServer(server, `servers[${index}]`, hubPath, pageUrl)) };
}

function parseServer(content: unknown, key: string, hubPath: string, pageUrl: string): HubServer {
  const { name, url = '' } = asObject(content, key);
  if (typeof url !== 'string') {
    throw new Error(`${key}.url must be text`);
  }
  const hubUrl = resolveHubUrl(url, hubPath, pageUrl);
  if (hubUrl === null) {
    throw new Error(`${key}.url must be empty or start with http:// or https://`);
  }
  if (name !== undefined && typeof name !== 'string') {
    throw new Error(`${key}.name must be text`);
  }
  return { name: name?.trim() || new URL(hubUrl).host, hubUrl };
}

function resolveHubUrl(url: string, hubPath: string, pageUrl: string): string | null {
  const address = url === '' ? new URL('.', pageUrl).href : url;
  if (!/^https?:\/\//i.test(address) || !URL.canParse(address)) {
    return null;
  }
  const { origin, pathname } = new URL(address);
  return origin + pathname.replace(/\/+$/, '') + hubPath;
}

function sameOriginConfig(pageUrl: string): PageConfig {
  return parsePageConfig({ servers: [{ url: '' }] }, pageUrl);
}

async function readJson(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch (error) {
    throw error instanceof SyntaxError ? new Error('it is not valid JSON') : error;
  }
}

interface JsonObject {
  readonly name?: unknown;
  readonly url?: unknown;
  readonly servers?: unknown;
  readonly hubPath?: unknown;
}

function asObject(content: unknown, key: string): JsonObject {
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new Error(`${key} must be an object`);
  }
  return content as JsonObject;
}
