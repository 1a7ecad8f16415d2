import type { Amount, Currency, Locale, Money } from './types.js';

const DECIMALS: Record<Currency, number> = { USD: 2, EUR: 2, KRW: 0 };

/**
 * Minor units, exactly: `toMinorUnits(33, 'USD')` is 3300, `toMinorUnits(15000, 'KRW')` is 15000. Add amounts up in
 * these: `0.1 + 0.2` is not `0.3`.
 *
 * @throws RangeError when the currency cannot hold the amount exactly, or a number cannot.
 */
export function toMinorUnits(amount: Amount, currency: Currency): number {
  const decimals = DECIMALS[currency];
  // The shortest digits that are this number: what the server wrote, up to 15 of them.
  const match = /^(-?)(\d+)(?:\.(\d+?)0*)?$/.exec(String(amount));
  const [, sign = '', whole = '', fraction = ''] = match ?? [];
  const digits = fraction === '0' ? '' : fraction;
  const minor = Number(sign + whole + digits.padEnd(decimals, '0'));
  const isExact = typeof amount === 'string' || (whole + digits).length <= 15;
  if (!match || digits.length > decimals || !isExact || !Number.isSafeInteger(minor)) {
    throw new RangeError(`${amount} is no amount in ${currency}`);
  }
  return minor;
}

/** The amount that these minor units are: `fromMinorUnits(3300, 'USD')` is 33. */
export function fromMinorUnits(minor: number, currency: Currency): Money {
  if (!Number.isSafeInteger(minor)) throw new RangeError(`${minor} is no number of minor units`);
  return minor / 10 ** DECIMALS[currency];
}

/** The amount as people write it: `formatMoney(15000, 'KRW', 'ko')` is `₩15,000`. */
export function formatMoney(amount: Money, currency: Currency, locale: Locale | (string & {})): string {
  return new Intl.NumberFormat(locale, { style: 'currency', currency }).format(amount);
}
