import { Http, type CallOptions, type Input, type Options } from './http.js';
import type * as t from './types.js';
import { watchOrder, type WatchOptions } from './watch.js';

/**
 * SpicyJump's API. Every method gives what the answer's `data` holds, and throws `ApiError`, `NetworkError` or
 * `TimeoutError`.
 */
export class SpicyJump {
  readonly auth: ReturnType<typeof auth>;
  readonly products: ReturnType<typeof products>;
  readonly categories: ReturnType<typeof categories>;
  readonly orders: ReturnType<typeof orders>;
  readonly payments: ReturnType<typeof payments>;
  readonly seller: ReturnType<typeof seller>;
  readonly uploads: ReturnType<typeof uploads>;
  readonly #http: Http;

  constructor(options: Options) {
    const http = new Http(options);
    this.#http = http;
    this.auth = auth(http);
    this.products = products(http);
    this.categories = categories(http);
    this.orders = orders(http);
    this.payments = payments(http);
    this.seller = seller(http);
    this.uploads = uploads(http);
  }

  /** The language of messages; to be set when the user chooses another. */
  get locale(): t.Locale | undefined {
    return this.#http.locale;
  }
  set locale(locale: t.Locale | undefined) {
    this.#http.locale = locale;
  }
}

const auth = (http: Http) => {
  const start = async (session: t.Session): Promise<t.User> => {
    await http.session.start(session);
    return session.user;
  };
  return {
    /** Opens an account and signs in. */
    register: async (body: t.Registration, options?: CallOptions) =>
      start(await http.call('POST /auth/register', { body }, options)),
    login: async (body: { email: string; password: string }, options?: CallOptions) =>
      start(await http.call('POST /auth/login', { body }, options)),
    /** Signs out here in any case, and at the server if it can be reached. */
    logout: async (options?: CallOptions): Promise<void> => {
      const tokens = await http.session.tokens();
      await http.session.end();
      if (tokens) await http.call('POST /auth/logout', { body: { refresh_token: tokens.refresh_token } }, options);
    },
    /** Whether there is a session to go on with, for all that this client knows. */
    isSignedIn: async () => (await http.session.tokens()) !== null,
    me: async (options?: CallOptions) => (await http.call('GET /auth/me', {}, options)).user,
    updateMe: async (body: t.ProfileChange, options?: CallOptions) =>
      (await http.call('PUT /auth/me', { body }, options)).user,
    /** Mails a link to set a new password, if there is such an account. */
    forgotPassword: async (email: string, options?: CallOptions): Promise<void> => {
      await http.call('POST /auth/password/forgot', { body: { email } }, options);
    },
    resetPassword: async (body: { token: string; password: string }, options?: CallOptions): Promise<void> => {
      await http.call('POST /auth/password/reset', { body }, options);
    },
  };
};

type ListRoute = { [R in t.Route]: t.Routes[R]['data'] extends { pagination: t.Pagination } ? R : never }[t.Route];
type Query<R extends ListRoute> = t.Routes[R] extends { query: infer Q } ? Q : never;

/** A list, by page or row by row. */
const listing = <R extends ListRoute, Row>(http: Http, route: R, rows: (data: t.Routes[R]['data']) => Row[]) => {
  const list = (query?: Query<R>, options?: CallOptions): Promise<t.Routes[R]['data']> =>
    http.call(route, { query } as unknown as Input<R>, options);
  return {
    /** One page, with its `pagination`. */
    list,
    /** Every row of the list, each once though rows are added meanwhile; pages are fetched as they are needed. */
    async *iterate(query?: Omit<Query<R>, 'page' | 'cursor'>, options?: CallOptions): AsyncGenerator<Row, void> {
      let cursor: string | null | undefined;
      while (cursor !== null) {
        const page = await list({ ...query, cursor } as unknown as Query<R>, options);
        yield* rows(page);
        cursor = page.pagination.next_cursor;
      }
    },
  };
};

const products = (http: Http) => ({
  /** What is published. */
  ...listing(http, 'GET /products', (page) => page.products),
  get: async (id: number, options?: CallOptions) => (await http.call('GET /products/{id}', { id }, options)).product,
  create: async (body: t.NewProduct, options?: CallOptions) =>
    (await http.call('POST /products', { body, idempotent: true }, options)).product,
  update: async (id: number, body: t.ProductChange, options?: CallOptions) =>
    (await http.call('PUT /products/{id}', { id, body }, options)).product,
  /** Takes it off the shop; old orders keep it. */
  archive: async (id: number, options?: CallOptions) =>
    (await http.call('DELETE /products/{id}', { id }, options)).product,
  changeStock: async (id: number, body: t.StockChange, options?: CallOptions) =>
    (await http.call('POST /products/{id}/stock', { id, body }, options)).product,
});

const categories = (http: Http) => ({
  /** The whole tree. */
  list: async (options?: CallOptions) => (await http.call('GET /categories', {}, options)).categories,
  get: async (id: number, options?: CallOptions) => (await http.call('GET /categories/{id}', { id }, options)).category,
  create: async (body: t.NewCategory, options?: CallOptions) =>
    (await http.call('POST /categories', { body }, options)).category,
  update: async (id: number, body: Partial<t.NewCategory>, options?: CallOptions) =>
    (await http.call('PUT /categories/{id}', { id, body }, options)).category,
  delete: async (id: number, options?: CallOptions) =>
    (await http.call('DELETE /categories/{id}', { id }, options)).category,
});

const orders = (http: Http) => ({
  /** Your own; everyone's for an administrator. */
  ...listing(http, 'GET /orders', (page) => page.orders),
  get: async (id: number, options?: CallOptions) => (await http.call('GET /orders/{id}', { id }, options)).order,
  create: async (body: t.NewOrder, options?: CallOptions) =>
    (await http.call('POST /orders', { body, idempotent: true }, options)).order,
  cancel: async (id: number, options?: CallOptions) =>
    (await http.call('POST /orders/{id}/cancel', { id }, options)).order,
  ship: async (id: number, body: t.Shipment, options?: CallOptions) =>
    (await http.call('POST /orders/{id}/ship', { id, body }, options)).order,
  deliver: async (id: number, options?: CallOptions) =>
    (await http.call('POST /orders/{id}/deliver', { id }, options)).order,
  /** How the order stands, then each change as it happens: `for await (const event of shop.orders.watch(id))`. */
  watch: (id: number, options: WatchOptions = {}) => watchOrder(http, id, options),
});

const payments = (http: Http) => ({
  get: async (id: number, options?: CallOptions) => (await http.call('GET /payments/{id}', { id }, options)).payment,
  /** Starts the payment of an order; asked again, gives the same. */
  create: async (body: t.NewPayment, options?: CallOptions) =>
    (await http.call('POST /payments', { body, idempotent: true }, options)).payment,
  refund: async (id: number, body: t.NewRefund = {}, options?: CallOptions) =>
    (await http.call('POST /payments/{id}/refunds', { id, body, idempotent: true }, options)).refund,
  refunds: async (id: number, options?: CallOptions) =>
    (await http.call('GET /payments/{id}/refunds', { id }, options)).refunds,
});

const seller = (http: Http) => ({
  /** Your products, in every status. */
  products: listing(http, 'GET /seller/products', (page) => page.products),
  /** Orders with your lines, and only those lines. */
  orders: listing(http, 'GET /seller/orders', (page) => page.orders),
});

const uploads = (http: Http) => ({
  /** Stores an image without a detour through the API, and gives the address for a product's `images`. */
  image: async (file: Blob, fileName: string, options: CallOptions = {}): Promise<string> => {
    // Of another type: the API's refusal says so better than a check here.
    const body = { file_name: fileName, file_type: file.type as t.ImageType, file_size: file.size };
    const { timeout: _, ...rest } = options;
    const upload = await http.call('POST /upload/presigned-url', { body }, rest);
    await http.put(upload.upload_url, upload.headers, file, options);
    return upload.file_url;
  },
  /** The same through the API, for where the storage cannot be reached. */
  imageThroughApi: async (file: Blob, fileName: string, options: CallOptions = {}): Promise<string> => {
    const body = new FormData();
    body.append('file', file, fileName);
    return (await http.call('POST /upload', { body }, { timeout: 300_000, ...options })).file_url;
  },
});
