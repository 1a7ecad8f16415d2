import { ApiError, NetworkError } from './errors.js';
import { sleep, type Http } from './http.js';
import { EventParser } from './sse.js';
import type { OrderEvent } from './types.js';

/** Three of the server's heartbeats. After so many milliseconds of silence the line is taken for dead. */
const SILENCE = 45_000;

export interface WatchOptions {
  /** Ends the watch: the loop over it ends without an error. */
  signal?: AbortSignal;
  /** Milliseconds without a sign of life after which to reconnect; 45,000 if left out. */
  silence?: number;
}

/**
 * How an order stands, then each change, until the signal or a `break`. Lost connections are taken up again where
 * they broke off; only a refusal that will not pass (signed out, no such order) is thrown.
 */
export async function* watchOrder(
  http: Http,
  id: number,
  { signal, silence = SILENCE }: WatchOptions,
): AsyncGenerator<OrderEvent, void, undefined> {
  let last: string | undefined;
  let failures = 0;
  while (!signal?.aborted) {
    const connection = new AbortController();
    const cut = () => connection.abort();
    const parser = new EventParser();
    let wait: number | null = null;
    let timer = setTimeout(cut, silence);
    signal?.addEventListener('abort', cut);
    try {
      const body = await http.open('GET /orders/{id}/events', id, last, connection.signal);
      for await (const text of pieces(body)) {
        clearTimeout(timer);
        timer = setTimeout(cut, silence);
        for (const event of parser.push(text)) {
          // A reconnect begins with the present state, which may be known.
          if (event.event !== 'status' || (event.id !== undefined && event.id === last)) continue;
          last = event.id;
          failures = 0;
          yield JSON.parse(event.data) as OrderEvent;
        }
      }
    } catch (error) {
      if (signal?.aborted) return;
      if (error instanceof ApiError && error.status < 500 && error.status !== 429) throw error;
      if (!(error instanceof ApiError || error instanceof NetworkError || isBroken(error))) throw error;
      wait = error instanceof ApiError ? error.retryAfter : null;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', cut);
      cut();
    }
    const pause = Math.max(http.backoff(failures, wait), parser.retry ?? 0);
    failures += 1;
    await sleep(pause, signal).catch(() => undefined);
  }
}

/** What a stream throws when its line breaks or its request is aborted. */
function isBroken(error: unknown): boolean {
  return error instanceof TypeError || (error instanceof DOMException && error.name === 'AbortError');
}

async function* pieces(body: ReadableStream<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield decoder.decode(value, { stream: true });
  }
}
