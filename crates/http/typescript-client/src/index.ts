export { SpicyJump } from './client.js';
export { ApiError, NetworkError, TimeoutError, type Code } from './errors.js';
export type { CallOptions, Options } from './http.js';
export { formatMoney, fromMinorUnits, toMinorUnits } from './money.js';
export { memoryStore, webStore, type TokenStore } from './session.js';
export type * from './types.js';
export type { WatchOptions } from './watch.js';
