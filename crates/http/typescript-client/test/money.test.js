import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatMoney, fromMinorUnits, toMinorUnits } from '../dist/index.js';

test('minor units are exact', () => {
  for (const [amount, currency, minor] of [
    [33, 'USD', 3300],
    ['33.00', 'USD', 3300],
    [1.1, 'EUR', 110],
    [0.29, 'USD', 29],
    [0.05, 'USD', 5],
    ['0.5', 'USD', 50],
    [1.15, 'USD', 115],
    [4.35, 'USD', 435],
    [99999999.99, 'USD', 9999999999],
    [9999999999999.99, 'USD', 999999999999999],
    [15000, 'KRW', 15000],
    ['15000.00', 'KRW', 15000],
    [0, 'KRW', 0],
    [-2.5, 'USD', -250],
  ])
    assert.equal(toMinorUnits(amount, currency), minor, `${amount} ${currency}`);
});

test('every cent comes back as it was', () => {
  for (let minor = 0; minor < 100_000; minor += 1) {
    assert.equal(toMinorUnits(JSON.parse((minor / 100).toFixed(2)), 'USD'), minor);
    assert.equal(toMinorUnits(fromMinorUnits(minor, 'USD'), 'USD'), minor);
  }
});

test('what a currency or a number cannot hold is refused, not rounded', () => {
  for (const [amount, currency] of [
    [15.005, 'USD'],
    ['15.005', 'USD'],
    [10.5, 'KRW'],
    ['', 'USD'],
    ['1,000', 'USD'],
    ['1e3', 'USD'],
    [1e21, 'USD'],
    [1e-7, 'USD'],
    [NaN, 'USD'],
    [Infinity, 'USD'],
    [0.1 + 0.2, 'USD'],
    [99999999999999.99, 'USD'],
    ['99999999999999999', 'KRW'],
  ])
    assert.throws(() => toMinorUnits(amount, currency), RangeError, `${amount} ${currency}`);
  assert.throws(() => fromMinorUnits(1.5, 'USD'), RangeError);
});

test('money is shown as people write it', () => {
  assert.equal(formatMoney(15000, 'KRW', 'ko'), '₩15,000');
  assert.equal(formatMoney(1234.5, 'USD', 'en'), '$1,234.50');
  assert.equal(formatMoney(0, 'EUR', 'en'), '€0.00');
});
