/**
 * What goes over the wire. Written by hand for readers, compared with the server's `/v1/openapi.json` by
 * `test/openapi.test.js`, so that neither can drift from the other.
 */

export type Currency = 'USD' | 'KRW' | 'EUR';
export type Locale = 'ko' | 'en';
export type Role = 'buyer' | 'seller' | 'admin';
export type DeviceType = 'web' | 'mobile' | 'tablet';

/** ISO 8601 in UTC: `2025-11-19T10:00:00Z`. */
export type Timestamp = string;
/** Major units with two decimals: 15.00 arrives as `15`. Show it with `formatMoney`, add it up with `toMinorUnits`. */
export type Money = number;
/** Money on its way in: `15`, or exactly as typed, `"15.00"`. */
export type Amount = number | string;

export interface User {
  id: number;
  email: string;
  name: string;
  role: Role;
  locale: Locale;
  created_at: Timestamp;
}

export interface Tokens {
  access_token: string;
  refresh_token: string;
}

export interface Session extends Tokens {
  user: User;
  token_type: string;
  /** Seconds until the access token expires. */
  expires_in: number;
}

export interface Registration {
  email: string;
  /** 8 to 128 of letters, digits and `@$!%*#?&`, at least one of each. */
  password: string;
  name: string;
  role?: Exclude<Role, 'admin'>;
  locale?: Locale;
}

export interface ProfileChange {
  name?: string;
  locale?: Locale;
  /** With `current_password`; ends the other sessions. */
  password?: string;
  current_password?: string;
}

export interface Pagination {
  /** These three are null where a list is walked by cursor. */
  page: number | null;
  total: number | null;
  total_pages: number | null;
  limit: number;
  /** Null at the end. */
  next_cursor: string | null;
}

/** A page by number, or by the cursor that the page before it gave. */
export interface PageParams {
  page?: number;
  /** 1 to 100; 20 if left out. */
  limit?: number;
  cursor?: string;
}

export type ProductStatus = 'draft' | 'published' | 'archived';

export interface Product {
  id: number;
  seller_id: number;
  category_id: number | null;
  name: string;
  name_en: string | null;
  description: string | null;
  description_en: string | null;
  price: Money;
  currency: Currency;
  stock_quantity: number;
  status: ProductStatus;
  images: string[];
  version: number;
  created_at: Timestamp;
  updated_at: Timestamp;
}

export interface ProductFilter {
  category_id?: number;
  seller_id?: number;
  /** Part of a Korean or English name or description. */
  q?: string;
  currency?: Currency;
  /** These two need `currency`. */
  min_price?: Amount;
  max_price?: Amount;
  in_stock?: boolean;
  sort?: 'newest' | 'price_asc' | 'price_desc' | 'name';
}

export interface NewProduct {
  name: string;
  price: Amount;
  category_id?: number | null;
  name_en?: string | null;
  description?: string | null;
  description_en?: string | null;
  currency?: Currency;
  stock_quantity?: number;
  status?: ProductStatus;
  images?: string[];
}

/** Any subset; `null` clears a field. */
export interface ProductChange extends Partial<NewProduct> {
  /** Where it is stale, the answer is 409 `version_conflict`. */
  version?: number;
}

export interface StockChange {
  delta: number;
  reason: string;
}

export interface Category {
  id: number;
  name: string;
  name_en: string | null;
  parent_id: number | null;
}

export interface NewCategory {
  name: string;
  name_en?: string | null;
  parent_id?: number | null;
}

export type OrderStatus = 'pending' | 'paid' | 'shipped' | 'delivered' | 'cancelled' | 'expired' | 'refunded';
export type OrderPaymentStatus =
  'unpaid' | 'processing' | 'failed' | 'paid' | 'partially_refunded' | 'refunded' | 'disputed';
export type FulfilmentStatus = 'unfulfilled' | 'shipped' | 'delivered';

export interface Order {
  id: number;
  order_number: string;
  buyer_id: number;
  status: OrderStatus;
  payment_status: OrderPaymentStatus;
  items: OrderItem[];
  subtotal: Money;
  total: Money;
  refunded_amount: Money;
  currency: Currency;
  shipping_address: ShippingAddress;
  note: string | null;
  expires_at: Timestamp | null;
  created_at: Timestamp;
  updated_at: Timestamp;
  /** `from` is null for the order's birth. */
  history: { at: Timestamp; from: OrderStatus | null; to: OrderStatus; reason: string }[];
}

export interface OrderItem {
  product_id: number;
  seller_id: number;
  name: string;
  unit_price: Money;
  quantity: number;
  line_total: Money;
  fulfilment_status: FulfilmentStatus;
  carrier: string | null;
  tracking_number: string | null;
}

export interface ShippingAddress {
  recipient: string;
  phone: string;
  line1: string;
  line2: string | null;
  city: string;
  region: string | null;
  postal_code: string;
  country: string;
}

export interface NewOrder {
  items: {
    product_id: number;
    quantity: number;
    /** What the buyer was shown; where it is no longer the price, the answer is 409 `price_changed`. */
    unit_price?: Amount | null;
  }[];
  shipping_address: NewAddress;
  note?: string | null;
}

export interface NewAddress {
  recipient: string;
  phone: string;
  line1: string;
  line2?: string | null;
  city: string;
  region?: string | null;
  postal_code: string;
  /** ISO 3166-1 alpha-2. */
  country: string;
}

export interface Shipment {
  carrier: string;
  tracking_number: string;
}

/** One event of `orders.watch`. */
export interface OrderEvent {
  order_id: number;
  status: OrderStatus;
  payment_status: OrderPaymentStatus;
  at: Timestamp;
}

export type PaymentStatus =
  | 'creating'
  | 'requires_payment_method'
  | 'requires_confirmation'
  | 'requires_action'
  | 'processing'
  | 'succeeded'
  | 'canceled'
  | 'mismatch';

/** Why an attempt to pay failed, as far as a buyer can do something about it. */
export type DeclineCode = 'card_declined' | 'insufficient_funds' | 'expired_card' | 'incorrect_cvc';

export interface Payment {
  id: number;
  order_id: number;
  /** `pi_…`; this and `client_secret` are null while `creating`. */
  provider_payment_id: string | null;
  client_secret: string | null;
  /** A page that takes the payment. */
  checkout_url: string;
  amount: Money;
  currency: Currency;
  status: PaymentStatus;
  refunded_amount: Money;
  last_error: { code: DeclineCode; decline_code: string } | null;
  created_at: Timestamp;
}

export interface NewPayment {
  order_id: number;
  /** `pm_…`: the payment is confirmed at once. */
  payment_method?: string | null;
}

export interface Refund {
  id: number;
  payment_id: number;
  order_id: number;
  provider_refund_id: string | null;
  amount: Money;
  currency: Currency;
  status: 'pending' | 'requires_action' | 'succeeded' | 'failed' | 'canceled';
  reason: string | null;
  restocked: boolean;
  created_at: Timestamp;
}

export interface NewRefund {
  /** All that is left where it is missing. */
  amount?: Amount | null;
  reason?: string | null;
  /** Only with the refund that completes the payment. */
  restock?: boolean | null;
}

export type ImageType = 'image/jpeg' | 'image/png' | 'image/webp' | 'image/gif';

export interface UploadRequest {
  file_name: string;
  file_type: ImageType;
  file_size: number;
}

export interface PresignedUpload {
  upload_url: string;
  file_url: string;
  method: string;
  headers: Record<string, string>;
  /** Seconds that `upload_url` is good for. */
  expires_in: number;
}

// prettier-ignore
export type ErrorCode =
  | 'malformed_json' | 'invalid_signature'
  | 'unauthenticated' | 'invalid_token' | 'token_expired' | 'invalid_credentials'
  | 'card_declined' | 'insufficient_funds' | 'expired_card' | 'incorrect_cvc'
  | 'forbidden'
  | 'not_found' | 'product_not_found' | 'order_not_found' | 'payment_not_found' | 'category_not_found'
  | 'method_not_allowed'
  | 'email_taken' | 'out_of_stock' | 'price_changed' | 'version_conflict' | 'invalid_order_state'
  | 'refund_exceeds_payment' | 'category_in_use' | 'idempotency_in_progress'
  | 'payload_too_large' | 'file_too_large' | 'uri_too_long' | 'unsupported_media_type'
  | 'validation_failed' | 'mixed_currencies' | 'product_unavailable' | 'amount_too_small' | 'amount_too_large'
  | 'idempotency_key_reused'
  | 'rate_limited' | 'internal_error' | 'payment_provider_error' | 'payment_provider_unavailable'
  | 'storage_unavailable' | 'database_unavailable' | 'overloaded' | 'timeout';

/** The body of every failure. */
export interface Failure {
  success: false;
  message: string;
  error: ErrorCode;
  request_id: string;
  errors?: Record<string, string[]>;
  details?: object | null;
}

/** What `details` holds, for the codes that have any. */
export interface ErrorDetails {
  out_of_stock: { items: { product_id: number; requested: number; available: number }[] };
  price_changed: { product_id: number; price: Money };
  product_unavailable: { product_ids: number[] };
  /** For the decline code `authentication_required`, with what it takes to confirm in front of the buyer. */
  card_declined: { decline_code: string; payment_id?: number; client_secret?: string };
  insufficient_funds: { decline_code: string };
  expired_card: { decline_code: string };
  incorrect_cvc: { decline_code: string };
}

type Page<Rows> = Rows & { pagination: Pagination };
type Nothing = Record<string, never>;

/** Every route that the client uses: what it takes, what it answers, and whether it honours `Idempotency-Key`. */
export interface Routes {
  'POST /auth/register': { body: Registration; data: Session };
  'POST /auth/login': { body: { email: string; password: string }; data: Session };
  'POST /auth/refresh': { body: { refresh_token: string }; data: Session };
  'POST /auth/logout': { body: { refresh_token: string }; data: Nothing };
  'GET /auth/me': { data: { user: User } };
  'PUT /auth/me': { body: ProfileChange; data: { user: User } };
  'POST /auth/password/forgot': { body: { email: string }; data: Nothing };
  'POST /auth/password/reset': { body: { token: string; password: string }; data: Nothing };

  'GET /products': { query: ProductFilter & PageParams; data: Page<{ products: Product[] }> };
  'GET /products/{id}': { data: { product: Product } };
  'POST /products': { body: NewProduct; data: { product: Product }; idempotent: true };
  'PUT /products/{id}': { body: ProductChange; data: { product: Product } };
  'DELETE /products/{id}': { data: { product: Product } };
  'POST /products/{id}/stock': { body: StockChange; data: { product: Product } };
  'GET /seller/products': { query: { status?: ProductStatus } & PageParams; data: Page<{ products: Product[] }> };

  'GET /categories': { data: { categories: Category[] } };
  'GET /categories/{id}': { data: { category: Category } };
  'POST /categories': { body: NewCategory; data: { category: Category } };
  'PUT /categories/{id}': { body: Partial<NewCategory>; data: { category: Category } };
  'DELETE /categories/{id}': { data: { category: Category } };

  'GET /orders': { query: { status?: OrderStatus } & PageParams; data: Page<{ orders: Order[] }> };
  'GET /orders/{id}': { data: { order: Order } };
  'POST /orders': { body: NewOrder; data: { order: Order }; idempotent: true };
  'POST /orders/{id}/cancel': { data: { order: Order } };
  'POST /orders/{id}/ship': { body: Shipment; data: { order: Order } };
  'POST /orders/{id}/deliver': { data: { order: Order } };
  'GET /orders/{id}/events': { data: never };
  'GET /seller/orders': { query: { status?: OrderStatus } & PageParams; data: Page<{ orders: Order[] }> };

  'GET /payments/{id}': { data: { payment: Payment } };
  'POST /payments': { body: NewPayment; data: { payment: Payment }; idempotent: true };
  'GET /payments/{id}/refunds': { data: { refunds: Refund[] } };
  'POST /payments/{id}/refunds': { body: NewRefund; data: { refund: Refund }; idempotent: true };

  'POST /upload': { body: FormData; data: { file_url: string } };
  'POST /upload/presigned-url': { body: UploadRequest; data: PresignedUpload };
}

export type Route = keyof Routes;
