/** Limits as users of the SDK have them, against a real server; and the program of the SDK's README about them. */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { rateLimitHeaders, type Limit } from '../../sdk/src/index.ts';
import { linesSaid, runExample } from './support/run-example.ts';
import { serveLatchkey } from './support/serve-latchkey.ts';

const PROGRAM = await readFile(resolve(import.meta.dirname, '../../sdk/examples/limits.ts'), 'utf8');

const RATE: Limit = { name: 'requests', rate: { limit: 2, windowMs: 60_000 } };
const CREDITS: Limit = {
  name: 'pages',
  credits: { initial: 5, refill: { amount: 5, interval: 'MONTHLY', day: 31, maxBalance: 7 } },
  onDemand: true,
  onUnavailable: 'ALLOW',
};
const DAY_MS = 86_400_000;

const served = serveLatchkey();

describe('the program about limits', () => {
  test('prints what its comments say', async () => {
    expect(await runExample(PROGRAM, served().server)).toEqual(linesSaid(PROGRAM));
  });
});

describe('limits that were set', () => {
  test('come back as they were, of a key, a policy and an owner, and in effect', async () => {
    const { keyspaceId, latchkey } = served();
    const { keys, owners, policies } = latchkey;
    const ref = { keyspaceId, id: randomUUID() };
    const { owner } = await owners.create({ ...ref, limits: [RATE] });
    expect(owner).toMatchObject({ limits: [RATE], limitOverrides: [] });
    const changed = await owners.update(ref, { limits: [CREDITS] });
    expect(changed).toMatchObject({
      owner: { limits: [CREDITS] },
      propagation: { replicas: 1, confirmed: 1 },
    });
    expect(changed.effectiveTime).toBeInstanceOf(Date);

    const { policy } = await policies.create({ keyspaceId, displayName: ref.id, limits: [RATE] });
    expect(policy.limits).toEqual([RATE]);
    const { key } = await keys.create({ keyspaceId, ownerId: ref.id, policyIds: [policy.id] });
    expect(key).toMatchObject({ limits: [], limitOverrides: [] });
    const { effective } = await keys.getEffective(key.id);
    expect(effective).toMatchObject({ limits: [RATE], ownerLimits: [CREDITS] });
    expect(effective.sources).toContainEqual({ field: 'limits', policyIds: [policy.id] });
    expect((await keys.update(key.id, { limits: [CREDITS, RATE] })).key.limits).toEqual([CREDITS, RATE]);
    expect((await keys.update(key.id, { limits: [] })).key.limits).toEqual([]);
  });

  test('are told of where they cannot be, by the name of their property in the contract', async () => {
    const { keyspaceId, latchkey } = served();
    const limits = [RATE, { ...RATE, name: 'slow', rate: { limit: 1, windowMs: 999 } }];
    await expect(latchkey.keys.create({ keyspaceId, limits })).rejects.toMatchObject({
      reason: 'INVALID_FIELD',
      violations: [{ field: 'key.limits[1].rate.window' }],
    });
  });
});

describe('a verification', () => {
  test('charges what is named, and says in header fields what is left', async () => {
    const { keyspaceId, latchkey } = served();
    const { key, token } = await latchkey.keys.create({ keyspaceId, limits: [RATE, CREDITS] });
    const first = await latchkey.verify({ token, charges: { pages: 3 } });
    expect(first).toMatchObject({
      verdict: 'VALID',
      limits: [
        { name: 'requests', limit: 2, remaining: 1, scope: 'KEY', refused: false, windowMs: 60_000 },
        { name: 'pages', limit: 5, remaining: 2, scope: 'KEY', refused: false, windowMs: null },
      ],
    });
    const headers = rateLimitHeaders(first);
    expect(headers['RateLimit-Policy']).toBe('"requests";q=2;w=60, "pages";q=5');
    expect(headers['RateLimit']).toMatch(/^"requests";r=1;t=\d+, "pages";r=2;t=\d+$/);
    expect(headers).not.toHaveProperty('Retry-After');

    const exhausted = await latchkey.verify({ token, charges: { pages: 3 } });
    expect(exhausted).toMatchObject({ verdict: 'CREDITS_EXHAUSTED', key: { id: key.id } });
    expect(exhausted.limits.map(({ refused }) => refused)).toEqual([false, true]);
    const untilRefill = Number(rateLimitHeaders(exhausted)['Retry-After']);
    expect(untilRefill).toBeGreaterThan(0);
    expect(untilRefill).toBeLessThanOrEqual((31 * DAY_MS) / 1000);

    expect((await latchkey.verify({ token })).verdict).toBe('VALID');
    const limited = await latchkey.verify({ token });
    expect(limited).toMatchObject({ verdict: 'RATE_LIMITED', limits: [{ name: 'requests', refused: true }] });
    // What was charged counts for a window from the end of what it was leased for, which is no longer than another.
    const retryAfterMs = limited.verdict === 'RATE_LIMITED' ? limited.retryAfterMs : null;
    expect(retryAfterMs).toBeGreaterThan(0);
    expect(retryAfterMs).toBeLessThanOrEqual(2 * 60_000);
    expect(rateLimitHeaders(limited)['Retry-After']).toBe(String(Math.ceil((retryAfterMs ?? 0) / 1000)));
  });

  test('that costs more than a limit ever allows is not told to come back', async () => {
    const { keyspaceId, latchkey } = served();
    const { token } = await latchkey.keys.create({ keyspaceId, limits: [RATE] });
    const result = await latchkey.verify({ token, charges: { requests: 3 } });
    expect(result).toMatchObject({ verdict: 'RATE_LIMITED', retryAfterMs: null });
    expect(rateLimitHeaders(result)).not.toHaveProperty('Retry-After');
  });

  test('of a limit that is not there is refused, naming it', async () => {
    const { keyspaceId, latchkey } = served();
    const { token } = await latchkey.keys.create({ keyspaceId, limits: [RATE] });
    await expect(latchkey.verify({ token, charges: { requests: 0, paper: 1 } })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      violations: [{ field: 'charges[1].limit' }],
    });
  });
});

describe('limits in use', () => {
  test('tell what is left; a balance is adjusted once a request id', async () => {
    const { keyspaceId, latchkey } = served();
    const { key } = await latchkey.keys.create({ keyspaceId, limits: [CREDITS] });
    const subject = { keyId: key.id };
    const once = { requestId: randomUUID(), note: 'a gift' };
    const { limits } = latchkey;
    const { balance, revision } = await limits.adjustCredits(subject, 'pages', { add: 10 }, once);
    expect(balance).toBe(15);
    const again = await limits.adjustCredits(subject, 'pages', { add: 10 }, once);
    expect(again).toMatchObject({ balance, revision });
    expect(await limits.adjustCredits(subject, 'pages', { take: 4 })).toMatchObject({
      balance: 11,
      propagation: { replicas: 1, confirmed: 1 },
    });
    await expect(limits.adjustCredits(subject, 'pages', { take: 12 })).rejects.toMatchObject({
      reason: 'CREDITS_INSUFFICIENT',
      metadata: { balance: '11' },
    });
    expect((await limits.adjustCredits(subject, 'pages', { set: 2 })).balance).toBe(2);
    expect(await limits.status(subject)).toMatchObject([
      { limit: CREDITS, status: { limit: 5, remaining: 2, scope: 'KEY' }, policyId: null, override: null },
    ]);
    await expect(limits.adjustCredits(subject, 'paper', { add: 1 })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      reason: 'LIMIT_NOT_FOUND',
    });
  });

  test('of an owner have another number for a time, for all of its keys', async () => {
    const { keyspaceId, latchkey } = served();
    const { keys, limits, owners } = latchkey;
    const ref = { keyspaceId, id: randomUUID() };
    const subject = { keyspaceId, ownerId: ref.id };
    await owners.create({ ...ref, limits: [RATE] });
    const one = await keys.create({ keyspaceId, ownerId: ref.id });
    const other = await keys.create({ keyspaceId, ownerId: ref.id });
    const endTime = new Date(Math.ceil(Date.now() / 1000) * 1000 + DAY_MS);

    const { override } = await limits.setOverride(subject, 'requests', { value: 0, endTime });
    expect(override).toEqual({ limit: 'requests', value: 0, endTime });
    expect((await owners.get(ref)).limitOverrides).toEqual([override]);
    expect(await limits.status({ keyId: one.key.id })).toMatchObject([
      { limit: RATE, status: { limit: 0, remaining: 0, scope: 'OWNER' }, override },
    ]);
    for (const { token } of [one, other]) {
      expect(await latchkey.verify({ token })).toMatchObject({
        verdict: 'RATE_LIMITED',
        limits: [{ name: 'requests', scope: 'OWNER', limit: 0 }],
      });
    }

    await limits.clearOverride(subject, 'requests');
    expect((await owners.get(ref)).limitOverrides).toEqual([]);
    for (const { token } of [one, other]) expect((await latchkey.verify({ token })).verdict).toBe('VALID');
    expect((await latchkey.verify({ token: one.token })).verdict).toBe('RATE_LIMITED');
  });
});
