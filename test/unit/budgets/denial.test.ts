import { expect, test } from 'vitest';
import { createDenial } from '../../../server/budgets/denial.ts';

test('knows of nothing at first', () => {
  const denial = createDenial();
  expect(denial.ofMs(1, 0)).toBeUndefined();
  expect(denial.isKnown()).toBe(false);
});

test('holds for as many as were refused and for more, and counts down', () => {
  const denial = createDenial();
  denial.learn(5, 1000, 10_000);
  expect(denial.isKnown()).toBe(true);
  expect(denial.ofMs(4, 1000)).toBeUndefined();
  expect(denial.ofMs(5, 1000)).toBe(10_000);
  expect(denial.ofMs(6, 1999)).toBe(9001);
});

test('is asked about again after a second, then after twice as long each time, and never after more than sixteen', () => {
  const denial = createDenial();
  let sentMs = 0;
  for (const beliefMs of [1000, 2000, 4000, 8000, 16_000, 16_000, 16_000]) {
    denial.learn(1, sentMs, null);
    expect(denial.ofMs(1, sentMs + beliefMs - 1)).toBe(Infinity);
    expect(denial.ofMs(1, sentMs + beliefMs)).toBeUndefined();
    sentMs += beliefMs;
  }
});

test('ends when it was said to end', () => {
  const denial = createDenial();
  denial.learn(1, 1000, 30);
  expect(denial.ofMs(1, 1029.5)).toBe(1);
  expect(denial.ofMs(1, 1030)).toBeUndefined();
});

test('is forgotten once something was there, and with it how often it was repeated', () => {
  const denial = createDenial();
  for (const sentMs of [0, 1000, 3000]) denial.learn(1, sentMs, null);
  denial.forgive();
  expect(denial.isKnown()).toBe(false);
  expect(denial.ofMs(1, 3000)).toBeUndefined();
  denial.learn(1, 4000, null);
  expect(denial.ofMs(1, 5000)).toBeUndefined();
});
