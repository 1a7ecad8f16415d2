import { ApiError, parse } from './errors.js';
import type { Tokens } from './types.js';

/** Where the tokens are kept. What it gives may change behind its back: another tab may have refreshed them. */
export interface TokenStore {
  get(): Tokens | null | Promise<Tokens | null>;
  set(tokens: Tokens | null): void | Promise<void>;
}

/** Keeps the tokens until the page is closed. */
export function memoryStore(): TokenStore {
  let held: Tokens | null = null;
  return { get: () => held, set: (tokens) => void (held = tokens) };
}

/** Keeps the tokens in `localStorage` or `sessionStorage`, where every script of the page can read them. */
export function webStore(storage: Storage, key = 'spicyjump'): TokenStore {
  return {
    get: () => (parse(storage.getItem(key) ?? '') ?? null) as Tokens | null,
    set: (tokens) => (tokens ? storage.setItem(key, JSON.stringify(tokens)) : storage.removeItem(key)),
  };
}

/** Who is signed in. */
export class SessionKeeper {
  #refreshing: Promise<string> | undefined;

  constructor(
    private readonly store: TokenStore,
    private readonly onSignedOut: (() => void) | undefined,
  ) {}

  async tokens(): Promise<Tokens | null> {
    return this.store.get();
  }

  async start({ access_token, refresh_token }: Tokens): Promise<void> {
    await this.store.set({ access_token, refresh_token });
  }

  async end(): Promise<void> {
    await this.store.set(null);
  }

  /** Ends a session that the server no longer knows, unless another has begun since. */
  async lose(lost: Tokens): Promise<void> {
    if ((await this.store.get())?.refresh_token !== lost.refresh_token) return;
    await this.store.set(null);
    this.onSignedOut?.();
  }

  /**
   * A valid access token in place of the expired one. However many requests ask at once, in however many tabs, the
   * refresh token is spent once: the server takes a second use for theft and ends the session.
   */
  refresh(expired: string, exchange: (refreshToken: string) => Promise<Tokens>): Promise<string> {
    this.#refreshing ??= exclusively(() => this.#refresh(expired, exchange)).finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #refresh(expired: string, exchange: (refreshToken: string) => Promise<Tokens>): Promise<string> {
    const held = await this.store.get();
    if (held && held.access_token !== expired) return held.access_token;
    if (!held) throw new ApiError('Signed out', { status: 401, code: 'unauthenticated' });
    try {
      const fresh = await exchange(held.refresh_token);
      const current = await this.store.get();
      // Signed out, or in as somebody else, in the meantime: then that stands.
      if (current?.refresh_token === held.refresh_token) await this.start(fresh);
      return fresh.access_token;
    } catch (error) {
      // A refusal is final; a server that is down or a broken line is no reason to sign anybody out.
      if (error instanceof ApiError && error.status === 401) await this.lose(held);
      throw error;
    }
  }
}

/** Runs one such task at a time among all tabs, where the browser can do that. */
async function exclusively<T>(task: () => Promise<T>): Promise<T> {
  const locks = (globalThis.navigator as Navigator | undefined)?.locks;
  return locks ? await locks.request('spicyjump-refresh', task) : task();
}
