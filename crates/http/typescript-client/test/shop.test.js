/** The client against a real server: that of `spicyjump dev`, with its stand-ins. */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { SpicyJump, memoryStore, toMinorUnits } from '../dist/index.js';

const { SPICYJUMP_URL } = process.env;
const PASSWORD = 'spicyjump1!';

const client = (options) => new SpicyJump({ baseUrl: SPICYJUMP_URL, locale: 'en', retryDelay: 50, ...options });

async function signedIn(email, options) {
  const shop = client(options);
  await shop.auth.login({ email, password: PASSWORD });
  return shop;
}

let people = 0;
async function newPerson(options, more) {
  const shop = client(options);
  const email = `client-${process.pid}-${(people += 1)}@example.com`;
  await shop.auth.register({ email, password: PASSWORD, name: 'Kim Haneul', ...more });
  return { shop, email };
}

const shipping_address = {
  recipient: '김하늘',
  phone: '010-1234-5678',
  line1: 'Sejong-daero 1',
  city: 'Seoul',
  postal_code: '04524',
  country: 'KR',
};
const png = new Blob(
  [
    Buffer.from(
      'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
      'base64',
    ),
  ],
  { type: 'image/png' },
);

const skip = SPICYJUMP_URL ? false : 'SPICYJUMP_URL is not set';

describe('accounts', { skip }, () => {
  test('people sign up, change their name, sign out and in again', async () => {
    const { shop, email } = await newPerson();
    const user = await shop.auth.me();
    assert.deepEqual([user.email, user.role, user.locale], [email, 'buyer', 'en']);
    assert.equal((await shop.auth.updateMe({ name: 'Lee', locale: 'ko' })).name, 'Lee');
    await shop.auth.logout();
    await assert.rejects(shop.auth.me(), { code: 'unauthenticated', status: 401 });
    await assert.rejects(shop.auth.login({ email, password: 'wrong' }), { code: 'invalid_credentials' });
    await shop.auth.login({ email, password: PASSWORD });
    await shop.auth.forgotPassword(email);
    await assert.rejects(shop.auth.resetPassword({ token: 'no', password: PASSWORD }), { code: 'invalid_token' });
    assert.equal((await shop.auth.me()).name, 'Lee');
  });

  test('wrong fields are named in the language that was asked for', async () => {
    const shop = client({ locale: 'ko' });
    const error = await shop.auth.register({ email: 'x', password: 'x', name: '' }).catch((error) => error);
    assert.ok(error.is('validation_failed'));
    assert.deepEqual(Object.keys(error.errors).sort(), ['email', 'name', 'password']);
    assert.match(error.errors.email[0], /[가-힣]/);
    assert.match(error.message, /[가-힣]/);
    assert.match(error.requestId, /^[0-9a-f-]{36}$/);
  });

  test('an expired token is refreshed once, though many requests meet it', async () => {
    const tokenStore = memoryStore();
    let refreshes = 0;
    const counting = (url, init) => {
      if (String(url).endsWith('/auth/refresh')) refreshes += 1;
      return fetch(url, init);
    };
    const { shop } = await newPerson({ tokenStore, fetch: counting });
    const { access_token } = tokenStore.get();
    const deadline = Date.now() + 90_000;
    for (let code; code !== 'token_expired';) {
      assert.ok(Date.now() < deadline, 'the token does not expire');
      await new Promise((resolve) => setTimeout(resolve, 200));
      const response = await fetch(`${SPICYJUMP_URL}/v1/auth/me`, {
        headers: { Authorization: `Bearer ${access_token}` },
      });
      code = (await response.json()).error;
    }
    const users = await Promise.all(Array.from({ length: 6 }, () => shop.auth.me()));
    assert.equal(new Set(users.map((user) => user.id)).size, 1);
    assert.equal(refreshes, 1);
    assert.notEqual(tokenStore.get().access_token, access_token);
  });
});

describe('a marketplace', { skip }, () => {
  let seller, product;
  before(async () => {
    seller = (await newPerson({}, { role: 'seller' })).shop;
    product = await seller.products.create({
      name: '김치',
      name_en: 'Kimchi',
      price: '15.00',
      stock_quantity: 1000,
      status: 'published',
    });
  });
  const order = (shop, more, options) =>
    shop.orders.create({ items: [{ product_id: product.id, quantity: 2 }], shipping_address, ...more }, options);

  test('a list is walked to the end, each row once', async () => {
    const { shop } = await newPerson({}, { role: 'seller' });
    const { id: seller_id } = await shop.auth.me();
    const made = [];
    for (let n = 0; n < 5; n += 1) {
      made.push((await shop.products.create({ name: `나물 ${n}`, price: n, status: 'published' })).id);
    }
    const first = await client().products.list({ seller_id, limit: 2 });
    assert.equal(first.pagination.total, 5);
    const walked = [];
    for await (const { id } of client().products.iterate({ seller_id, sort: 'price_asc', limit: 2 })) walked.push(id);
    assert.deepEqual(walked, made);
  });

  test('categories are read by everyone and written by administrators', async () => {
    assert.ok(Array.isArray(await client().categories.list()));
    await assert.rejects(client().categories.get(1e15), { code: 'category_not_found' });
    await assert.rejects(seller.categories.create({ name: '나물' }), { code: 'forbidden' });
    await assert.rejects(seller.categories.update(1, { parent_id: null }), { code: 'forbidden' });
    await assert.rejects(seller.categories.delete(1), { code: 'forbidden' });
  });

  test('sellers change and archive products, with pictures', async () => {
    const kept = await seller.products.create({ name: 'Gochujang', price: 9.5, currency: 'EUR' });
    const images = [await seller.uploads.image(png, '고추장.png'), await seller.uploads.imageThroughApi(png, 'b.png')];
    const changed = await seller.products.update(kept.id, { images, price: '10.00', version: kept.version });
    assert.deepEqual([changed.images, toMinorUnits(changed.price, changed.currency)], [images, 1000]);
    await assert.rejects(seller.products.update(kept.id, { price: 1, version: kept.version }), {
      code: 'version_conflict',
    });
    assert.equal((await seller.products.changeStock(kept.id, { delta: 5, reason: 'delivery' })).stock_quantity, 5);
    assert.equal((await seller.products.archive(kept.id)).status, 'archived');
    const { products } = await seller.seller.products.list({ status: 'archived' });
    assert.ok(products.some(({ id }) => id === kept.id));
    await assert.rejects(client().products.get(kept.id), { code: 'product_not_found' });
  });

  test('a purchase is paid, shipped, delivered and refunded while its buyer watches', async () => {
    const { shop } = await newPerson();
    const { id, total, currency } = await order(shop);
    assert.equal(toMinorUnits(total, currency), 3000);
    const watch = shop.orders.watch(id);
    const next = async (status) => {
      for await (const event of { [Symbol.asyncIterator]: () => ({ next: () => watch.next() }) }) {
        if (event.status === status) return event;
      }
    };
    assert.deepEqual(
      { ...(await watch.next()).value, at: 0 },
      { order_id: id, status: 'pending', payment_status: 'unpaid', at: 0 },
    );

    const started = await shop.payments.create({ order_id: id });
    assert.equal((await shop.payments.create({ order_id: id })).id, started.id);
    const payment = await shop.payments.create({ order_id: id, payment_method: 'pm_card_visa' });
    assert.equal(payment.status, 'succeeded');
    assert.equal((await next('paid')).payment_status, 'paid');
    assert.ok((await seller.seller.orders.list({ status: 'paid' })).orders.some((one) => one.id === id));
    await seller.orders.ship(id, { carrier: 'CJ', tracking_number: '1' });
    await next('shipped');
    await seller.orders.deliver(id);
    await next('delivered');
    const refund = await seller.payments.refund(payment.id, { reason: 'broken' });
    assert.equal(toMinorUnits(refund.amount, refund.currency), 3000);
    assert.deepEqual(
      (await seller.payments.refunds(payment.id)).map((one) => one.id),
      [refund.id],
    );
    await next('refunded');
    await watch.return();
    assert.equal((await shop.orders.get(id)).status, 'refunded');
  });

  test('a watch that loses its line misses nothing', async () => {
    const { shop: buyer } = await newPerson();
    const { id } = await order(buyer);
    let connections = 0;
    const cutting = async (url, init) => {
      const response = await fetch(url, init);
      if (!String(url).endsWith('/events')) return response;
      connections += 1;
      // The line is lost after the first piece.
      let pieces = 0;
      const cut = new TransformStream({
        transform: (piece, controller) =>
          (pieces += 1) === 1 ? controller.enqueue(piece) : controller.error(new TypeError('lost')),
      });
      return new Response(response.body.pipeThrough(cut), response);
    };
    const tokenStore = memoryStore();
    const email = (await buyer.auth.me()).email;
    const shop = await signedIn(email, { tokenStore, fetch: cutting });
    const statuses = [];
    for await (const event of shop.orders.watch(id)) {
      statuses.push(event.status);
      if (event.status === 'pending') await buyer.payments.create({ order_id: id, payment_method: 'pm_card_visa' });
      if (event.status === 'paid' && event.payment_status === 'paid')
        await seller.orders.ship(id, { carrier: 'CJ', tracking_number: '1' });
      if (event.status === 'shipped') break;
    }
    assert.deepEqual([...new Set(statuses)], ['pending', 'paid', 'shipped']);
    assert.ok(connections >= 2, `${connections}`);
  });

  test('an order whose answer was lost is placed once', async () => {
    const tokenStore = memoryStore();
    let lost = 0;
    const losing = async (url, init) => {
      const response = await fetch(url, init);
      if (init.method !== 'POST' || !String(url).endsWith('/orders') || lost === 2) return response;
      lost += 1;
      throw new TypeError('lost');
    };
    const { shop } = await newPerson({ tokenStore, fetch: losing });
    const placed = await order(shop);
    assert.equal(lost, 2);
    const { orders } = await shop.orders.list();
    assert.deepEqual(
      orders.map(({ id }) => id),
      [placed.id],
    );
    const again = await order(shop, {}, { idempotencyKey: 'cart-1' });
    assert.equal((await order(shop, {}, { idempotencyKey: 'cart-1' })).id, again.id);
    await assert.rejects(order(shop, { note: 'other' }, { idempotencyKey: 'cart-1' }), {
      code: 'idempotency_key_reused',
    });
    assert.equal((await shop.orders.cancel(again.id)).status, 'cancelled');
    await assert.rejects(shop.orders.cancel(again.id), { code: 'invalid_order_state', status: 409 });
  });

  test('refusals say what a page needs to go on', async () => {
    const { shop } = await newPerson();
    const rare = await seller.products.create({ name: 'Rare', price: 10, stock_quantity: 1, status: 'published' });
    const short = await shop.orders
      .create({ items: [{ product_id: rare.id, quantity: 3 }], shipping_address })
      .catch((error) => error);
    assert.ok(short.is('out_of_stock'));
    assert.deepEqual(short.details, { items: [{ product_id: rare.id, requested: 3, available: 1 }] });
    const dear = await shop.orders
      .create({ items: [{ product_id: rare.id, quantity: 1, unit_price: 9 }], shipping_address })
      .catch((error) => error);
    assert.ok(dear.is('price_changed'));
    assert.deepEqual(dear.details, { product_id: rare.id, price: 10 });
    const { id } = await order(shop);
    const declined = await shop.payments
      .create({ order_id: id, payment_method: 'pm_card_visa_chargeDeclinedInsufficientFunds' })
      .catch((error) => error);
    assert.ok(declined.is('insufficient_funds'), String(declined));
    assert.deepEqual([declined.status, declined.details.decline_code], [402, 'insufficient_funds']);
    await assert.rejects(shop.orders.get(1e15), { code: 'order_not_found' });
    await assert.rejects(shop.products.create({ name: 'x', price: 1 }), { code: 'forbidden', status: 403 });
  });
});
