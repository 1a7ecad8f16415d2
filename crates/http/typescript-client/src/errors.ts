import type { ErrorCode, ErrorDetails, Failure } from './types.js';

/** `invalid_response` is the client's own: the answer was not the API's, but a proxy's error page, say. */
export type Code = ErrorCode | 'invalid_response';

interface Refusal<C> {
  status: number;
  code: C;
  errors?: Record<string, string[]> | undefined;
  details?: unknown;
  requestId?: string | null;
  retryAfter?: number | null;
}

/** The server's refusal. `message` is for people, in their language; `code` is for programs. */
export class ApiError<C extends Code = Code> extends Error {
  override readonly name = 'ApiError';
  /** The HTTP status. */
  readonly status: number;
  readonly code: C;
  /** What is wrong with each field, on `validation_failed`: `{ 'items.0.quantity': ['…'] }`. */
  readonly errors: Record<string, string[]>;
  /** What a page needs to go on; typed once `is` has told the code. */
  readonly details: C extends keyof ErrorDetails ? ErrorDetails[C] : unknown;
  /** What support finds the request by in the server's log. */
  readonly requestId: string | null;
  /** After how many seconds to try again, if the server said so. */
  readonly retryAfter: number | null;

  constructor(message: string, refusal: Refusal<C>) {
    super(message);
    this.status = refusal.status;
    this.code = refusal.code;
    this.errors = refusal.errors ?? {};
    this.details = refusal.details as typeof this.details;
    this.requestId = refusal.requestId ?? null;
    this.retryAfter = refusal.retryAfter ?? null;
  }

  /** Whether this is that error. */
  is<Known extends ErrorCode>(code: Known): this is ApiError<Known> {
    return (this.code as Code) === code;
  }

  /** @internal */
  static async from(response: Response): Promise<ApiError> {
    const { status, headers } = response;
    const requestId = headers.get('X-Request-ID');
    const retryAfter = seconds(headers.get('Retry-After'));
    const body = parse(await textOf(response)) as Partial<Failure> | undefined;
    if (body?.success !== false || typeof body.error !== 'string') {
      return new ApiError(`HTTP status ${status}`, { status, code: 'invalid_response', requestId, retryAfter });
    }
    const { message = body.error, error: code, errors, details } = body;
    return new ApiError(message, { status, code, errors, details, requestId, retryAfter });
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
export async function textOf(response: Response): Promise<string> {
  try {
    return await response.text();
  } catch (cause) {
    throw new NetworkError('The answer broke off', { cause });
  }
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
