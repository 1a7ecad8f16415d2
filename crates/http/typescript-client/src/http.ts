import { ApiError, NetworkError, TimeoutError, parse, textOf } from './errors.js';
import { SessionKeeper, memoryStore, type TokenStore } from './session.js';
import type { DeviceType, Locale, Route, Routes, Tokens } from './types.js';

export interface Options {
  /** Where the API is, without `/v1`: `https://api.spicyjump.com`. */
  baseUrl: string;
  /** The language of messages; the browser's own if left out. */
  locale?: Locale;
  /** For the server's log. */
  clientVersion?: string;
  deviceType?: DeviceType;
  /** Where the tokens are kept; in memory if left out. */
  tokenStore?: TokenStore;
  /** Called when the session has ended though nobody logged out. */
  onSignedOut?: () => void;
  /** In place of the global `fetch`. */
  fetch?: typeof fetch;
  /** Milliseconds that one attempt may take; 30,000 if left out. */
  timeout?: number;
  /** Milliseconds before the first of three retries, doubled for each; 500 if left out. */
  retryDelay?: number;
}

export interface CallOptions {
  /** Cancels the call: it rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Milliseconds that one attempt may take. */
  timeout?: number;
  /** In place of a random one, where the route honours it: the same key has its effect once, even after a reload. */
  idempotencyKey?: string;
}

/** What a route takes. */
export type Input<R extends Route> = Omit<Routes[R], 'data'> &
  (R extends `${string}{id}${string}` ? { id: number } : {});

interface Prepared {
  method: string;
  url: string;
  headers: Record<string, string>;
  body: string | FormData | null;
}

const RETRIES = 3;
/** A server that wants to be left alone for longer gets its wish: the caller decides. In seconds. */
const LONGEST_WAIT = 30;
/** These establish who calls, so they go without an access token. */
const ANONYMOUS = /^POST \/auth\//;

/** Requests, and what may go wrong with them. */
export class Http {
  readonly session: SessionKeeper;
  locale: Locale | undefined;
  readonly #options: Options;

  constructor(options: Options) {
    this.#options = options;
    this.locale = options.locale;
    this.session = new SessionKeeper(options.tokenStore ?? memoryStore(), options.onSignedOut);
  }

  /** Calls a route and gives the answer's `data`. */
  async call<R extends Route>(route: R, input: Input<R>, options: CallOptions = {}): Promise<Routes[R]['data']> {
    const request = this.#prepare(route, input, options);
    const repeatable = request.method === 'GET' || 'Idempotency-Key' in request.headers;
    for (let retry = 0; ; retry += 1) {
      try {
        return await within(options.timeout ?? this.#options.timeout ?? 30_000, options.signal, async (signal) => {
          const response = await this.#authorized(request, !ANONYMOUS.test(route), signal);
          return (await payload(response)) as Routes[R]['data'];
        });
      } catch (error) {
        const retryAfter = error instanceof ApiError ? error.retryAfter : null;
        const givesUp = !repeatable || retry === RETRIES || (retryAfter ?? 0) > LONGEST_WAIT;
        if (givesUp || !isPassing(error)) throw error;
        await sleep(this.backoff(retry, retryAfter), options.signal);
      }
    }
  }

  /** Opens a stream of events; the signal ends it. */
  async open(route: Route & `${string}/events`, id: number, lastEventId: string | undefined, signal: AbortSignal) {
    const request = this.#prepare(route, { id }, {});
    request.headers['Accept'] = 'text/event-stream';
    if (lastEventId !== undefined) request.headers['Last-Event-ID'] = lastEventId;
    const response = await this.#authorized(request, true, signal);
    const type = response.headers.get('Content-Type');
    if (response.body && type?.startsWith('text/event-stream')) return response.body;
    throw new ApiError(`Expected events, not ${type}`, { status: response.status, code: 'invalid_response' });
  }

  /** Sends a file to where the API said, which is outside of it. */
  async put(url: string, headers: Record<string, string>, body: Blob, { signal, timeout = 300_000 }: CallOptions) {
    await within(timeout, signal, async (signal) => {
      const response = await this.#fetch(url, { method: 'PUT', headers, body, signal });
      if (!response.ok) throw await ApiError.from(response);
    });
  }

  /** How long to wait before another attempt, in milliseconds: half of it is chance, so that clients spread out. */
  backoff(retry: number, retryAfter: number | null): number {
    const delay = Math.min((this.#options.retryDelay ?? 500) * 2 ** retry, LONGEST_WAIT * 1000);
    return (retryAfter === null ? delay / 2 : retryAfter * 1000) + (Math.random() * delay) / 2;
  }

  #prepare(route: Route, input: object, { idempotencyKey }: CallOptions): Prepared {
    const { id, query, body, idempotent } = input as { id?: number; query?: object; body?: unknown; idempotent?: true };
    const [method = '', template = ''] = route.split(' ');
    const parameters = Object.entries(query ?? {}).filter(([, value]) => value !== undefined && value !== null);
    const search = new URLSearchParams(parameters.map(([name, value]) => [name, String(value)])).toString();
    const path = template.replace('{id}', encodeURIComponent(String(id)));
    const { baseUrl, clientVersion, deviceType } = this.#options;

    const headers: Record<string, string> = { Accept: 'application/json' };
    if (this.locale) headers['Accept-Language'] = this.locale;
    if (clientVersion) headers['X-Client-Version'] = clientVersion;
    if (deviceType) headers['X-Device-Type'] = deviceType;
    if (idempotent) headers['Idempotency-Key'] = idempotencyKey ?? randomKey();
    const isForm = body instanceof FormData;
    if (body !== undefined && !isForm) headers['Content-Type'] = 'application/json';
    return {
      method,
      url: `${baseUrl.replace(/\/+$/, '')}/v1${path}${search && `?${search}`}`,
      headers,
      // Once for all attempts: an idempotent route compares the bytes.
      body: isForm ? body : body === undefined ? null : JSON.stringify(body),
    };
  }

  /** Sends with the access token; where it has expired, refreshes it and sends once more. */
  async #authorized(request: Prepared, withToken: boolean, signal: AbortSignal): Promise<Response> {
    const tokens = withToken ? await this.session.tokens() : null;
    try {
      return await this.#send(request, tokens?.access_token, signal);
    } catch (error) {
      if (!tokens || !(error instanceof ApiError)) throw error;
      if (error.is('invalid_token')) await this.session.lose(tokens);
      if (!error.is('token_expired')) throw error;
      const exchange = (refresh_token: string): Promise<Tokens> =>
        this.call('POST /auth/refresh', { body: { refresh_token } });
      const fresh = await unless(signal, this.session.refresh(tokens.access_token, exchange));
      return this.#send(request, fresh, signal);
    }
  }

  async #send(request: Prepared, accessToken: string | undefined, signal: AbortSignal): Promise<Response> {
    const { method, url, body } = request;
    const headers = accessToken ? { ...request.headers, Authorization: `Bearer ${accessToken}` } : request.headers;
    const response = await this.#fetch(url, { method, headers, body, signal });
    if (!response.ok) throw await ApiError.from(response);
    return response;
  }

  async #fetch(url: string, init: RequestInit): Promise<Response> {
    try {
      // Not as a method: browsers' fetch minds its `this`.
      const send = this.#options.fetch ?? globalThis.fetch;
      return await send(url, init);
    } catch (cause) {
      throw new NetworkError('The server could not be reached', { cause });
    }
  }
}

async function payload(response: Response): Promise<unknown> {
  const body = parse(await textOf(response)) as { success?: boolean; data?: unknown } | undefined;
  if (body?.success === true) return body.data;
  throw new ApiError("The answer is not the API's", { status: response.status, code: 'invalid_response' });
}

/** Whether another attempt may end differently. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof ApiError)) return error instanceof NetworkError;
  // A gateway that cannot reach the API answers 502 or 504 itself; the API's own 502 will not pass.
  const isGateway = error.code === 'invalid_response' && (error.status === 502 || error.status === 504);
  return isGateway || error.status === 429 || error.status === 503 || error.is('idempotency_in_progress');
}

/** Runs `work` with a signal that ends it after so many milliseconds, or with the caller's signal. */
async function within<T>(
  timeout: number,
  outer: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  outer?.throwIfAborted();
  const controller = new AbortController();
  const abort = () => controller.abort();
  const timer = setTimeout(abort, timeout);
  outer?.addEventListener('abort', abort);
  try {
    return await work(controller.signal);
  } catch (cause) {
    outer?.throwIfAborted();
    if (controller.signal.aborted) throw new TimeoutError(`No answer within ${timeout} ms`, { cause });
    throw cause;
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener('abort', abort);
  }
}

/** What others wait for too, until this signal is aborted. */
function unless<T>(signal: AbortSignal, shared: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    signal.addEventListener('abort', () => reject(signal.reason as Error));
    shared.then(resolve, reject);
  });
}

/** @internal Rejects with the signal's reason as soon as it is aborted. */
export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const wake = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', wake);
      if (signal?.aborted) reject(signal.reason as Error);
      else resolve();
    };
    const timer = setTimeout(wake, milliseconds);
    signal?.addEventListener('abort', wake);
  });
}

/** 128 random bits. `crypto.randomUUID` is missing on pages without HTTPS. */
function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
