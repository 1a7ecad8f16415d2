import type { ErrorCode, ErrorDetails, Failure } from './types.js';

/** The server's refusal. `message` is for people, in their language; `code` is for programs. */
export class ApiError<Code extends ErrorCode | 'invalid_response' = ErrorCode | 'invalid_response'> extends Error {
  override readonly name = 'ApiError';
  /** What is wrong with each field, on `validation_failed`: `{ 'items.0.quantity': ['…'] }`. */
  readonly errors: Record<string, string[]>;
  readonly details: Code extends keyof ErrorDetails ? ErrorDetails[Code] : unknown;

  constructor(
    message: string,
    /** The HTTP status. */
    readonly status: number,
    /** `invalid_response` where the answer was not the API's: a proxy's error page, say. */
    readonly code: Code,
    more: { errors?: Record<string, string[]> | undefined; details?: unknown } = {},
    /** What support finds the request by in the server's log. */
    readonly requestId: string | null = null,
    /** After how many seconds to try again, if the server said so. */
    readonly retryAfter: number | null = null,
  ) {
    super(message);
    this.errors = more.errors ?? {};
    this.details = more.details as typeof this.details;
  }

  /** Whether this is that error; then `details` has its type. */
  is<C extends ErrorCode>(code: C): this is ApiError<C> {
    return (this.code as string) === code;
  }

  /** @internal */
  static async from(response: Response): Promise<ApiError> {
    const requestId = response.headers.get('X-Request-ID');
    const wait = seconds(response.headers.get('Retry-After'));
    const body = parse(await response.text()) as Partial<Failure> | undefined;
    if (body?.success === false && typeof body.error === 'string') {
      return new ApiError(body.message ?? body.error, response.status, body.error, body, requestId, wait);
    }
    return new ApiError(`HTTP status ${response.status}`, response.status, 'invalid_response', {}, requestId, wait);
  }
}

/** No answer: the network, the server, or CORS failed. `cause` is what `fetch` threw. */
export class NetworkError extends Error {
  override readonly name: string = 'NetworkError';
}

/** No answer in time. */
export class TimeoutError extends NetworkError {
  override readonly name = 'TimeoutError';
}

/** @internal */
export function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function seconds(retryAfter: string | null): number | null {
  if (retryAfter === null) return null;
  const wait = /^\d+$/.test(retryAfter) ? Number(retryAfter) : (Date.parse(retryAfter) - Date.now()) / 1000;
  return Number.isFinite(wait) ? Math.max(0, wait) : null;
}
